import Reactor
import Wire
import Workers

/// What pages of other origins may do here (CORS), for browsers that ask before they send.
final class Preflight {
  private let loop: EventLoop
  private let scratch: Scratch

  init(_ context: WorkerContext) {
    loop = context.loop
    scratch = context.head
  }

  /// Answers a browser that asks before it sends (the origin has been checked).
  func answer(_ connection: ConnectionID, _ head: RequestHead) {
    scratch.buffer.clear()
    guard let origin = head.header(.origin) else {
      scratch.buffer.append("Allow: POST, GET, DELETE, OPTIONS\r\n")
      loop.reply(connection, EventLoop.ReplyHead(204, headers: scratch.bytes(of: self)), RawSpan())
      return
    }
    scratch.buffer.append("Access-Control-Allow-Origin: ")
    scratch.buffer.append(origin)
    scratch.buffer.append(
      """
      \r
      Vary: Origin\r
      Access-Control-Allow-Methods: POST, GET, DELETE, OPTIONS\r
      Access-Control-Allow-Headers: content-type, accept, authorization, mcp-protocol-version, mcp-method, mcp-name, \
      mcp-session-id, last-event-id, traceparent, tracestate, baggage
      """)
    if let asked = head.header(.accessControlRequestHeaders) { appendParameterHeaders(asked) }
    scratch.buffer.append("\r\nAccess-Control-Max-Age: 600\r\n")
    loop.reply(connection, EventLoop.ReplyHead(204, headers: scratch.bytes(of: self)), RawSpan())
  }

  /// The `mcp-param-*` names among the headers that a browser wants to send.
  private func appendParameterHeaders(_ asked: RawSpan) {
    var start = 0
    while start < asked.byteCount {
      let rest = asked.extracting(start..<asked.byteCount)
      let length = rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.byteCount
      let name = rest.extracting(0..<length).trimmed
      start += length + 1
      guard name.byteCount > 10, name.extracting(0..<10).equalsIgnoringCase("mcp-param-") else { continue }
      scratch.buffer.append(", ")
      scratch.buffer.append(name)
    }
  }
}
