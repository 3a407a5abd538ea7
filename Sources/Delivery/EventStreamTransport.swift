import MCP
import SessionStore
import Sessions
import Translation
import Wire
import Workers

/// HTTP+SSE of 2024-11-05: each message is taken with 202, and all that is said goes down the session's one stream.
final class EventStreamTransport: ClientTransport {
  private let messages: SessionMessages

  init(_ messages: SessionMessages) { self.messages = messages }

  func answer(_ reply: ReplyTo, status: UInt16, _ message: RawSpan, of session: Session?) {
    if let session { messages.emit(message, to: session) }
  }

  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era, of session: Session?) {
    guard let session else { return }
    var message = ByteBuffer(capacity: 256)
    message.append(error, id: id, to: era)
    messages.emit(message.bytes, to: session)
  }

  func accept(_ reply: ReplyTo) {}

  func beginEvents(_ reply: ReplyTo, of session: Session?, _ revision: Revision) -> EventLog.StreamNumber? { nil }

  func write(
    _ message: RawSpan, to reply: ReplyTo, _ stream: EventLog.StreamNumber?, of session: Session?, source: CallID?,
    last: Bool
  ) {
    if let session { messages.emit(message, to: session) }
  }

  func endEvents(_ reply: ReplyTo, _ stream: EventLog.StreamNumber, of session: Session?, hasLeft: Bool) {}

  func close(_ reply: ReplyTo) {}
}
