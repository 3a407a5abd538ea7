import Calls
import Catalogue
import Configuration
import Delivery
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// The streams that clients of Streamable HTTP open to listen in a session, and to go on with what they missed.
final class SessionStreamFront {
  private let context: FrontContext
  private let loop: EventLoop
  private let answers: HTTPAnswers
  private let sessions: SessionsShared
  private let tickets: SessionTickets
  private let streams: SessionStreams

  init(_ context: FrontContext, _ tickets: SessionTickets) {
    self.context = context
    loop = context.loop
    answers = context.answers
    sessions = context.sessions
    streams = context.delivery.streams
    self.tickets = tickets
  }

  func open(_ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead) {
    guard let text = head.header(.mcpSessionID) else {
      return answers.refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
    }
    guard let session = tickets.session(text, of: connection, view, id: nil),
      context.admits(.stream, .post(connection), .streamableHTTP, session, id: nil, .legacy)
    else { return }
    session.touch(now: loop.now)
    if let lastEventID = head.header(.lastEventID) { return resume(connection, session, lastEventID.array) }
    listen(connection, session)
  }

  /// Opens another stream of the session.
  private func listen(_ connection: ConnectionID, _ session: Session) {
    let limit = context.settings.configuration.limits.streamsPerSession
    let opened = session.withState { state -> Bool in
      guard !state.ended, state.log.attachedCount < limit else { return false }
      _ = state.log.open(.standalone, connection)
      return true
    }
    guard opened else {
      return answers.refuse(
        connection, GatewayError(.streamTaken, message: "Conflict: the session has \(limit) streams open already"),
        id: nil, .legacy)
    }
    session.noteUse()
    streams.beginReading(connection, session)
    if context.isDraining { return streams.sendAway(connection, session) }
    // Without an id: SDK clients that come back with one that is forgotten by then do not try without.
    if session.revision.hasPriming {
      answers.writeRetry(connection, streams.usualRetry())
    } else {
      answers.writeFirstByte(connection)
    }
    context.calls.upstreams.sessionListens(session)
    tellToLookAgain(session, resumed: false)
  }

  /// - Parameter attempt: how often it was too early.
  private func resume(_ connection: ConnectionID, _ session: Session, _ id: [UInt8], attempt: Int = 0) {
    let now = loop.now
    let isShared = sessions.predecessor.relay != nil && streams.mayWait(session, attempt)
    let resumption = session.withState { $0.log.resume(after: id.rawBytes, connection, isShared: isShared, now: now) }
    switch resumption {
    case .early:
      resumeLater(connection, session, id, attempt)
    case .gone:
      // Of a former process, or of nobody's interest for too long. What it would have brought is not known any more.
      session.haveNews()
      listen(connection, session)
    case .unknown:
      answers.refuse(
        connection, GatewayError(.notResumable, message: "Last-Event-ID names no stream of this session"), id: nil,
        .legacy)
    case .lost:
      answers.refuse(
        connection,
        GatewayError(
          .notResumable, message: "the stream can't be resumed: what followed that event was too large to be kept"),
        id: nil, .legacy)
    case .over:
      answers.refuse(
        connection, GatewayError(.notResumable, message: "the stream has ended: nothing follows that event"), id: nil,
        .legacy)
    case .replay(let events, _, let ended, let replaced):
      if let replaced { context.delivery.hand(.dropReader(replaced, of: session), to: replaced.worker) }
      streams.beginReading(connection, session)
      for event in events { streams.write(event, on: connection) }
      if events.isEmpty { answers.writeFirstByte(connection) }
      if ended { return streams.endReading(connection, of: session) }
      guard session.withState({ $0.log.standalone(readBy: connection) }) != nil else { return }
      if context.isDraining { return streams.sendAway(connection, session) }
      tellToLookAgain(session, resumed: true)
    }
  }

  private func resumeLater(_ connection: ConnectionID, _ session: Session, _ id: [UInt8], _ attempt: Int) {
    streams.wait(session, attempt) { [unowned self] in
      // Its client may have gone meanwhile, or have ended the session.
      guard loop.setTag(connection, 0) else { return }
      guard sessions.find(session.id) === session else {
        return answers.refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
      }
      resume(connection, session, id, attempt: attempt + 1)
    }
  }

  /// A client that a session was made anew for listens: what it knows of the lists may not be so any more.
  /// - Parameter resumed: whether the stream goes on where it was, with what was told of resources.
  private func tellToLookAgain(_ session: Session, resumed: Bool) {
    guard session.takeNews() else { return }
    context.delivery.announce(to: [session]) { $0.announcedLists }
    guard !resumed else { return }
    for name in session.withState({ Array($0.subscriptions.keys) }) {
      context.calls.renewals.tellMaybeChanged(name, to: session)
    }
  }
}
