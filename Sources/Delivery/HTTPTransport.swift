import MCP
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// Streamable HTTP: each message has a POST of its own, whose answer is one message or a stream of events.
public final class HTTPTransport: ClientTransport {
  private let context: DeliveryContext
  private let loop: EventLoop
  private let sessions: SessionsShared
  private let answers: HTTPAnswers
  private let streams: SessionStreams
  private let slow: SlowReaders

  init(_ context: DeliveryContext, _ answers: HTTPAnswers, _ streams: SessionStreams, _ slow: SlowReaders) {
    self.context = context
    loop = context.loop
    sessions = context.sessions
    self.answers = answers
    self.streams = streams
    self.slow = slow
  }

  public func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {
    answer(reply, status: status, message)
  }

  /// The same, whosever it is.
  public func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan) {
    answers.respond(
      reply.connection, EventLoop.ReplyHead(status, "application/json", headers: RawSpan()), message)
  }

  public func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {
    answers.refuse(reply.connection, error, id: id, era)
  }

  public func accept(_ reply: ReplyTo) { answers.accept(reply.connection) }

  // MARK: Events

  public func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? {
    let connection = reply.connection
    answers.beginEvents(connection)
    guard let session, revision.era == .legacy else { return 0 }
    let retry = revision.hasPriming ? streams.usualRetry() : nil
    let sessions = sessions
    let (number, frame) = session.withState { state in
      let number = state.log.open(.answer, connection)
      guard let retry else { return (number, nil as Frame?) }
      defer { sessions.tell(of: number, in: state, session) }
      return (number, state.log.prime(number, retry: retry))
    }
    if let frame { answers.write(frame, to: connection) }
    return number
  }

  public func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) {
    guard let stream else { return }
    guard stream == 0 else {
      let frame = EventLog.encode(message)
      guard let session, let delivery = sessions.append(frame, to: stream, of: session, last: last) else { return }
      return streams.perform(delivery, session: session, source: source)
    }
    let connection = reply.connection
    var event = ByteBuffer(capacity: message.byteCount + 32)
    event.append(event: message)
    guard answers.write(event.bytes, to: connection) == .full else { return }
    if let source, context.delegate.pauseSource(of: source) { return }
    // After the last event nothing more comes, and whoever sends it ends the call.
    guard !last, loop.queued(connection) > context.settings.eventBacklog + event.count else {
      return slow.note(connection, of: session)
    }
    // A child is shared and can't be paused for one slow reader, and a modern stream can't be resumed.
    loop.abort(connection)
    if let source { context.delegate.clientGone(source) }
  }

  public func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {
    let mine = hasLeft ? nil : reply.connection
    guard stream != 0, let session else {
      if let mine { loop.endStream(mine) }
      return
    }
    let now = loop.now
    let reader = session.withState { state in
      let reader = state.log.reader(of: stream)
      state.log.finish(stream, now: now)
      return reader
    }
    guard let reader else { return }
    if reader == mine {
      loop.endStream(reader)
    } else {
      context.hand(.endReading(reader, of: session), to: reader.worker)
    }
  }

  public func close(_ reply: ReplyTo) { loop.abort(reply.connection) }

  // MARK: Large results

  /// Begins an answer that is too large to be kept, as one message.
  public func beginPassing(_ connection: ConnectionID) {
    answers.begin(connection, EventLoop.ReplyHead(200, "application/json", headers: RawSpan()))
  }

  /// The same as the last event of a stream. False if that is read elsewhere by now.
  public func beginPassing(_ stream: EventLog.StreamNumber, of session: Session?, on connection: ConnectionID) -> Bool {
    var start = ByteBuffer(capacity: 64)
    if stream != 0 {
      guard let session, let name = pass(stream, of: session, to: connection) else { return false }
      start.append(name)
    }
    start.append("event: message\ndata: ")
    answers.endHeartbeat(connection)
    answers.write(start.bytes, to: connection)
    return true
  }

  private func pass(_ stream: EventLog.StreamNumber, of session: Session, to connection: ConnectionID) -> [UInt8]? {
    let sessions = sessions
    return session.withState { state in
      guard let name = state.log.passLast(of: stream, to: connection) else { return nil }
      sessions.tell(of: stream, in: state, session)
      return name
    }
  }

  /// The next piece of either.
  public func pass(_ bytes: RawSpan, on connection: ConnectionID) -> WriteOutcome {
    answers.write(bytes, to: connection)
  }

  /// The end of an event that was passed.
  public func endPassing(_ connection: ConnectionID) { answers.write(("\n\n" as StaticString).bytes, to: connection) }

  /// The stream of a passed event has no reader any more.
  public func endPassed(_ stream: EventLog.StreamNumber, of session: Session?) {
    let now = loop.now
    session?.withState { $0.log.finish(stream, now: now) }
  }
}
