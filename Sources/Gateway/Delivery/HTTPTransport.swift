import MCP
import Reactor
import Wire

/// Streamable HTTP: each message has a POST of its own, whose answer is one message or a stream of events.
final class HTTPTransport: ClientTransport {
  private let context: WorkerContext
  private let loop: EventLoop
  private let answers: HTTPAnswers
  private unowned(unsafe) var owner: Worker?

  init(_ context: WorkerContext, _ answers: HTTPAnswers) {
    self.answers = answers
    self.context = context
    loop = context.loop
  }

  func begin(for worker: Worker) { unsafe owner = worker }
  private var worker: Worker { unsafe owner! }

  func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {
    answers.respond(
      reply.connection, EventLoop.ReplyHead(status, "application/json", headers: RawSpan()), message)
  }

  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {
    answers.refuse(reply.connection, error, id: id, era)
  }

  func accept(_ reply: ReplyTo) { answers.accept(reply.connection) }

  func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? {
    let connection = reply.connection
    answers.beginEvents(connection)
    loop.heartbeat(connection, milliseconds: context.settings.heartbeat, worker.gateway.heartbeatFrame)
    guard let session, revision.era == .legacy else { return 0 }
    let retry = revision.hasPriming ? worker.usualRetry() : nil
    let gateway = worker.gateway
    let (number, frame) = session.withState { state in
      let number = state.log.open(.answer, connection)
      guard let retry else { return (number, nil as Frame?) }
      defer { gateway.tell(of: number, in: state, session) }
      return (number, state.log.prime(number, retry: retry))
    }
    if let frame { loop.writeStream(connection, frame) }
    return number
  }

  func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) {
    guard let stream else { return }
    guard stream == 0 else {
      let frame = EventLog.encode(message)
      guard let session, let delivery = worker.gateway.append(frame, to: stream, of: session, last: last) else { return }
      return worker.perform(delivery, session: session, source: source)
    }
    let connection = reply.connection
    var event = ByteBuffer(capacity: message.byteCount + 32)
    event.append(event: message)
    guard loop.writeStream(connection, event.bytes) == .full else { return }
    if let source, worker.pauseSource(of: source) { return }
    // After the last event nothing more comes, and whoever sends it ends the call.
    guard !last, loop.queued(connection) > context.settings.eventBacklog + event.count else {
      return worker.noteUnread(connection, of: session)
    }
    // A child is shared and can't be paused for one slow reader, and a modern stream can't be resumed.
    loop.abort(connection)
    if let source { worker.clientGone(source) }
  }

  func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {
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
      worker.delivery.hand(.endReading(reader, of: session), to: reader.worker)
    }
  }

  func close(_ reply: ReplyTo) { loop.abort(reply.connection) }
}
