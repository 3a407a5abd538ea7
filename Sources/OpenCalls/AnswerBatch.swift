import Delivery
import MCP
import Reactor
import SessionStore
import Sessions
import Translation
import Wire

/// A JSON-RPC batch (MCP 2025-03-26, Basic, Messages): split on the way in, gathered on the way out.
public final class AnswerBatch {
  let reply: ReplyTo
  private let session: Session
  private let transport: any ClientTransport
  /// Bytes that one answer may have.
  private let limit: Int
  private var responses: [[UInt8]?]
  private var outstanding: Int
  /// Bytes of the responses that wait for the last one.
  private var gathered = 0
  private var stream: EventLog.StreamNumber?

  public init(_ reply: ReplyTo, _ session: Session, _ transport: any ClientTransport, limit: Int, requests: Int) {
    self.reply = reply
    self.session = session
    self.transport = transport
    self.limit = limit
    responses = Array(repeating: nil, count: requests)
    outstanding = requests
  }

  /// A notification in the course of one of its calls: the answer to a POST becomes an event stream.
  func notify(_ message: RawSpan) {
    if stream == nil {
      stream = transport.beginEvents(reply, of: session, session.revision)
      if stream != nil {
        for response in responses {
          if let response { write(response.rawBytes) }
        }
      }
    }
    write(message)
  }

  /// True for the last of them.
  func complete(_ position: Int, _ response: [UInt8]) -> Bool {
    guard responses[position] == nil else { return false }
    // All that waits here together is one answer, and no larger than one may be.
    let response = gathered + response.count > limit ? refusal(of: response) : response
    gathered += response.count
    responses[position] = response
    outstanding -= 1
    if stream != nil { write(response.rawBytes, last: outstanding == 0) }
    guard outstanding == 0 else { return false }
    if let stream {
      transport.endEvents(reply, stream, of: session, hasLeft: false)
      return true
    }
    var body = ByteBuffer()
    body.append("[")
    for (index, response) in responses.enumerated() {
      if index > 0 { body.append(",") }
      body.append(response ?? [])
    }
    body.append("]")
    transport.answer(reply, status: 200, body.bytes, of: session)
    return true
  }

  private func refusal(of response: [UInt8]) -> [UInt8] {
    let scanner = EnvelopeScanner()
    let error = GatewayError(
      .resultTooLarge,
      message: "the answers to this batch together exceed \(limit) bytes; call one by one")
    var message = ByteBuffer(capacity: 256)
    message.append(error, id: scanner.scan(response.rawBytes).id, to: .legacy)
    return message.bytes.array
  }

  private func write(_ message: RawSpan, last: Bool = false) {
    transport.write(message, to: reply, stream, of: session, source: nil, last: last)
  }
}
