import MCP
import Reactor
import Routing
import Wire

// What has moved to a part of the worker, for who still calls it here.

// Delivery
extension Worker {
  static var streamHeaders: StaticString { HTTPAnswers.streamHeaders }
  func respond(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead, _ body: RawSpan) {
    delivery.answers.respond(connection, head, body)
  }
  func beginAnswer(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead) {
    delivery.answers.begin(connection, head)
  }
  func refuse(_ connection: ConnectionID, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    delivery.answers.refuse(connection, error, id: id, era)
  }
  func accept(_ connection: ConnectionID) { delivery.answers.accept(connection) }

  // Messages of no call.
  @discardableResult
  func emit(_ message: RawSpan, to session: Session, isKnown: Bool = false) -> Bool {
    delivery.messages.emit(message, to: session, isKnown: isKnown)
  }
  func perform(_ event: EventLog.Delivery, session: Session, source: CallID? = nil) {
    delivery.streams.perform(event, session: session, source: source)
  }
  func announce(_ changes: ListChanges, to sessions: [Session]) { delivery.announce(to: sessions) { changes[$0.view] } }
  func announce(to sessions: [Session], _ changed: (Session) -> ListKinds) { delivery.announce(to: sessions, changed) }

  // WebSockets.
  func send(_ message: RawSpan, _ reply: SocketReply, source: CallID? = nil) {
    delivery.sockets.send(message, .socket(reply.connection, isBinary: reply.isBinary), source: source)
  }
  func refuse(_ reply: SocketReply, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    delivery.sockets.refuse(.socket(reply.connection, isBinary: reply.isBinary), error, id: id, era, of: nil)
  }
  func closeIfDrained(_ connection: ConnectionID) { delivery.sockets.closeIfDrained(connection) }
  func closeSockets(to view: CatalogueView) { delivery.sockets.closeAll(to: view) }

  // Streams and sessions.
  func usualRetry() -> UInt64 { delivery.streams.usualRetry() }
  func writeFirstByte(_ connection: ConnectionID) { delivery.answers.writeFirstByte(connection) }
  func noteUnread(_ connection: ConnectionID, of session: Session?) { delivery.noteUnread(connection, of: session) }
  func end(_ session: Session) { delivery.ends.end(session) }
  var isClosing: Bool { delivery.isClosing }
  func endListens(where ends: (Listen) -> Bool = { _ in true }) { delivery.listens.end(where: ends) }

  // Interests.
  func isWanted(_ interest: ResourceInterest, in conversation: UpstreamSession) -> Bool {
    gateway.sessionsShared.isWanted(interest, in: conversation)
  }
  func tellUpstreams(of interests: [ResourceInterest], _ settled: @escaping (Worker) -> Void) {
    delivery.interests.tell(of: interests) { [unowned self] in settled(self) }
  }
}

extension Worker: DeliveryDelegate {
  func interestChanged(in cluster: Cluster, _ noted: @escaping @Sendable () -> Void) {
    guard let control else { return noted() }
    control.resourceInterestChanged(cluster, noted)
  }

  func overlayEnded(of session: SessionID) { control?.forgetOverlay(of: session) }

  func learnedLinks(of principal: Principal) -> LearnedLinks? { learnedLinks[principal] }

  /// Often enough that nothing outlives its time by much.
  var reapInterval: UInt64 {
    let sessions = settings.configuration.sessions
    let shortest = min(sessions.idleTimeout, sessions.resumeWindow, settings.configuration.limits.writeTimeout)
    return min(5000, max(100, shortest.milliseconds / 4))
  }

  /// What nobody asks for any more goes: each worker looks after the sessions that were opened on it, its idle upstream
  /// connections, and peers that do not take what is sent to them.
  func reap() {
    let now = now
    upstream.requests.expireIdle()
    loop.closeStalled(after: settings.writeTimeout, rate: settings.writeRate)
    loop.trim()
    if index == gateway.workerCount {
      gateway.inheritance.expire(window: settings.resumeWindow, idle: settings.sessionIdleTimeout, now: now)
      loop.startTimer(milliseconds: reapInterval, token: TimerToken.reap.rawValue)
    } else {
      delivery.ends.reap { [unowned self] in
        loop.startTimer(milliseconds: reapInterval, token: TimerToken.reap.rawValue)
      }
    }
  }
}
