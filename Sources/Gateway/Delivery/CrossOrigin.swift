import Reactor
import Wire

/// What pages of other origins may do here and read of the answers (CORS). The origin has been checked by then.
extension Worker {
  /// A whole answer to a client. What its page may read of it is said if a page asked.
  func respond(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead, _ body: RawSpan) {
    guard !browsers.isEmpty, let lines = readableHeaders(connection, after: head.headers) else {
      loop.reply(connection, head, body)
      return
    }
    loop.reply(
      connection, EventLoop.ReplyHead(head.status, head.contentType, headers: lines.rawBytes, close: head.close), body)
  }

  /// The beginning of an answer that goes out in pieces.
  func beginAnswer(_ connection: ConnectionID, _ head: borrowing EventLoop.ReplyHead) {
    guard !browsers.isEmpty, let lines = readableHeaders(connection, after: head.headers) else {
      loop.beginStream(connection, head)
      return
    }
    loop.beginStream(
      connection, EventLoop.ReplyHead(head.status, head.contentType, headers: lines.rawBytes, close: head.close))
  }

  /// Header lines with those that let a page read the answer; nil if no page asked.
  private func readableHeaders(_ connection: ConnectionID, after headers: RawSpan) -> [UInt8]? {
    guard let origin = browsers.removeValue(forKey: connection) else { return nil }
    var lines = ByteBuffer(capacity: 256)
    lines.append(headers)
    lines.append("Access-Control-Allow-Origin: ")
    lines.append(origin)
    lines.append(
      "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: mcp-session-id, www-authenticate, mcp-protocol-version\r\n")
    return lines.bytes.array
  }

  /// Answers a browser that asks before it sends (the origin has been checked).
  func preflight(_ connection: ConnectionID, _ head: RequestHead) {
    headScratch.buffer.clear()
    guard let origin = head.header(.origin) else {
      headScratch.buffer.append("Allow: POST, GET, DELETE, OPTIONS\r\n")
      loop.reply(connection, EventLoop.ReplyHead(204, headers: headBytes), RawSpan())
      return
    }
    headScratch.buffer.append("Access-Control-Allow-Origin: ")
    headScratch.buffer.append(origin)
    headScratch.buffer.append(
      """
      \r
      Vary: Origin\r
      Access-Control-Allow-Methods: POST, GET, DELETE, OPTIONS\r
      Access-Control-Allow-Headers: content-type, accept, authorization, mcp-protocol-version, mcp-method, mcp-name, \
      mcp-session-id, last-event-id, traceparent, tracestate, baggage
      """)
    if let asked = head.header(.accessControlRequestHeaders) { appendParameterHeaders(asked) }
    headScratch.buffer.append("\r\nAccess-Control-Max-Age: 600\r\n")
    loop.reply(connection, EventLoop.ReplyHead(204, headers: headBytes), RawSpan())
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
      headScratch.buffer.append(", ")
      headScratch.buffer.append(name)
    }
  }
}
