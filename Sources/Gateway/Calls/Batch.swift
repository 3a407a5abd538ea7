import MCP
import Reactor
import Wire

/// A JSON-RPC batch of revision 2025-03-26: split on the way in, gathered on the way out [2].
final class Batch {
  private let path: ReplyPath
  private let session: Session
  private var responses: [[UInt8]?]
  private var outstanding: Int
  /// Bytes of the responses that wait for the last one.
  private var gathered = 0
  private var stream: EventLog.StreamNumber?

  init(_ path: ReplyPath, _ session: Session, requests: Int) {
    self.path = path
    self.session = session
    responses = Array(repeating: nil, count: requests)
    outstanding = requests
  }

  /// The WebSocket that it came over.
  var socket: ConnectionID? { if case .socket(let reply) = path { reply.connection } else { nil } }

  /// A notification in the course of one of its calls: the answer to a POST becomes an event stream.
  func notify(_ message: RawSpan, on worker: Worker) {
    let connection: ConnectionID
    switch path {
    case .post(let posted): connection = posted
    case .socket(let reply): return worker.send(message, SocketReply(connection: reply.connection, isBinary: false))
    }
    if stream == nil {
      worker.beginAnswer(
        connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Worker.streamHeaders.bytes))
      worker.loop.heartbeat(connection, milliseconds: worker.settings.heartbeat, worker.gateway.heartbeatFrame)
      stream = session.withState { $0.log.open(.answer, connection) }
      for response in responses {
        if let response { write(response.rawBytes, on: worker) }
      }
    }
    write(message, on: worker)
  }

  func complete(_ position: Int, _ response: [UInt8], on worker: Worker) {
    guard responses[position] == nil else { return }
    // All that waits here together is one answer, and no larger than one may be.
    let isTooMuch = gathered + response.count > worker.settings.resultLimit
    let response = isTooMuch ? Self.refusal(of: response, worker) : response
    gathered += response.count
    responses[position] = response
    outstanding -= 1
    if stream != nil { write(response.rawBytes, last: outstanding == 0, on: worker) }
    guard outstanding == 0 else { return }
    if let stream, case .post(let connection) = path {
      let now = worker.now
      session.withState { $0.log.finish(stream, now: now) }
      worker.loop.endStream(connection)
      return
    }
    var body = ByteBuffer()
    body.append("[")
    for (index, response) in responses.enumerated() {
      if index > 0 { body.append(",") }
      body.append(response ?? [])
    }
    body.append("]")
    switch path {
    case .post(let connection):
      worker.respond(connection, EventLoop.ReplyHead(200, "application/json", headers: RawSpan()), body.bytes)
    case .socket(let reply):
      worker.send(body.bytes, reply)
      if worker.gateway.isDraining { worker.closeIfDrained(reply.connection) }
    }
  }

  private static func refusal(of response: [UInt8], _ worker: Worker) -> [UInt8] {
    let scanner = EnvelopeScanner()
    let error = GatewayError(
      .resultTooLarge,
      message: "the answers to this batch together exceed \(worker.settings.resultLimit) bytes; call one by one")
    var message = ByteBuffer(capacity: 256)
    message.append(error, id: scanner.scan(response.rawBytes, depth: worker.settings.depth).id, to: .legacy)
    return message.bytes.array
  }

  private func write(_ message: RawSpan, last: Bool = false, on worker: Worker) {
    guard let stream else { return }
    let frame = EventLog.encode(message)
    guard let delivery = worker.gateway.append(frame, to: stream, of: session, last: last) else { return }
    worker.perform(delivery, session: session)
  }
}
