/// What clients and servers really send, as bytes that outlive every benchmark. Unsafe only in name: nobody writes to them once
/// they are made.
enum Inputs {
  nonisolated(unsafe) static let requestHead = immortal(
    """
    POST /mcp HTTP/1.1\r
    Host: 127.0.0.1:4001\r
    Content-Type: application/json\r
    Accept: application/json, text/event-stream\r
    MCP-Protocol-Version: 2025-11-25\r
    Mcp-Session-Id: 0Vb1sJ4mQ2mZtqzvC5S0lR8gkq3y\r
    User-Agent: python-httpx/0.28.1\r
    Accept-Encoding: gzip, deflate\r
    Connection: keep-alive\r
    Content-Length: 194\r
    \r\n
    """)

  nonisolated(unsafe) static let call = immortal(
    #"{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"echo","arguments":{"text":"the quick brown fox "#
      + #"jumps over the lazy dog, again and again"},"_meta":{"progressToken":12}}}"#)

  nonisolated(unsafe) static let answer = immortal(
    #"{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":"the quick brown fox jumps over the lazy dog"}],"#
      + #""structuredContent":{"result":"the quick brown fox"},"isError":false}}"#)

  nonisolated(unsafe) static let event = immortal(
    "id: 17\nevent: message\ndata: " + #"{"jsonrpc":"2.0","method":"notifications/x"}"# + "\n\n")

  /// A result of about that many bytes.
  static func largeAnswer(_ size: Int) -> UnsafeRawBufferPointer {
    let text = String(repeating: "the quick brown fox jumps over the lazy dog, ", count: size / 45)
    let begin = #"{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":""#
    return immortal(begin + text + #""}],"isError":false}}"#)
  }

  private static func immortal(_ text: String) -> UnsafeRawBufferPointer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 64)
    bytes.copyBytes(from: text.utf8)
    return UnsafeRawBufferPointer(bytes)
  }
}
