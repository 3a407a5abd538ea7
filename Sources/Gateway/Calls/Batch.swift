import Reactor
import Wire

/// A JSON-RPC batch of revision 2025-03-26: split on the way in, gathered on the way out [2].
final class Batch {
  private let connection: ConnectionID
  private let session: Session
  private var responses: [[UInt8]?]
  private var outstanding: Int
  private var stream: EventLog.StreamNumber?

  init(_ connection: ConnectionID, _ session: Session, requests: Int) {
    self.connection = connection
    self.session = session
    responses = Array(repeating: nil, count: requests)
    outstanding = requests
  }

  /// A notification in the course of one of its calls: the answer becomes an event stream.
  func notify(_ message: RawSpan, on worker: Worker) {
    if stream == nil {
      worker.beginAnswer(
        connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Worker.streamHeaders.bytes))
      worker.loop.heartbeat(connection, milliseconds: worker.settings.heartbeat, worker.gateway.heartbeatFrame)
      let attachment = EventLog.Attachment(worker: worker.index, connection: connection)
      stream = session.withState { $0.log.open(.answer, attachment) }
      for response in responses {
        if let response { write(response.rawBytes, on: worker) }
      }
    }
    write(message, on: worker)
  }

  func complete(_ position: Int, _ response: [UInt8], on worker: Worker) {
    guard responses[position] == nil else { return }
    responses[position] = response
    outstanding -= 1
    if stream != nil { write(response.rawBytes, last: outstanding == 0, on: worker) }
    guard outstanding == 0 else { return }
    if let stream {
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
    worker.respond(connection, EventLoop.ReplyHead(200, "application/json", headers: RawSpan()), body.bytes)
  }

  /// The session ended: nothing more is coming.
  func abandon(on worker: Worker) { worker.loop.abort(connection) }

  private func write(_ message: RawSpan, last: Bool = false, on worker: Worker) {
    guard let stream, let delivery = session.withState({ $0.log.append(message, to: stream, last: last) }) else {
      return
    }
    worker.perform(delivery, session: session)
  }
}
