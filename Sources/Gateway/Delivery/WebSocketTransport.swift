import MCP
import Reactor
import Wire

/// WebSockets: messages go as they are, the answers among them.
final class WebSocketTransport: ClientTransport {
  private let loop: EventLoop
  private let body: Scratch
  private unowned(unsafe) var owner: Worker?

  init(_ context: WorkerContext) {
    loop = context.loop
    body = context.body
  }

  func begin(for worker: Worker) { unsafe owner = worker }
  private var worker: Worker { unsafe owner! }

  func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {
    worker.send(message, SocketReply(connection: reply.connection, isBinary: reply.isBinary))
  }

  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {
    body.clear()
    body.buffer.append(error, id: id, to: era)
    worker.send(body.bytes(of: self), SocketReply(connection: reply.connection, isBinary: reply.isBinary))
  }

  func accept(_ reply: ReplyTo) {}

  func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? { nil }

  func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) {
    worker.send(message, SocketReply(connection: reply.connection, isBinary: false), source: source)
  }

  func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {}

  func close(_ reply: ReplyTo) { loop.abort(reply.connection) }
}
