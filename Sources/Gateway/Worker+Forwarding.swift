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
}

extension Worker {
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

// Calls
extension Worker {
  func judge(_ arrival: Arrival, _ view: @autoclosure () -> CatalogueView?) -> Admission.Decision {
    calls.judge(arrival, view())
  }
  func serve(
    _ reply: ReplyTo, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision
  ) { calls.serve(reply, session, view, envelope, revision) }
  func passNotification(
    _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ client: Revision, from party: Party
  ) { calls.passNotification(session, view, envelope, client, from: party) }
  func clientResponded(_ session: Session, _ envelope: Envelope) { calls.reverse.clientResponded(session, envelope) }
  func clientNotified(_ session: Session, _ envelope: Envelope) { calls.messages.notified(session, envelope) }
  func serveBatch(_ path: ReplyPath, _ session: Session, _ message: RawSpan) {
    calls.messages.serveBatch(path.reply, session, message)
  }
  func cancelCalls(over socket: ConnectionID, _ requestID: RawSpan) { calls.clients.cancel(over: socket, requestID) }
  func whenFacesAreKnown(_ view: CatalogueView, _ body: @escaping @Sendable (Worker) -> Void) {
    calls.faces.whenKnown(view) { [unowned self] in body(self) }
  }
  func sessionListens(_ session: Session) { calls.upstreams.sessionListens(session) }
  func tellMaybeChanged(_ name: [UInt8], to session: Session) { calls.renewals.tellMaybeChanged(name, to: session) }
}
