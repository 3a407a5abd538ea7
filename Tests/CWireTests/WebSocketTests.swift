import CWire
import Testing

@Suite("WebSocket")
struct WebSocketTests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "websocket"))
  func fixtures(page: FixturePage) throws {
    try page.check([
      "websocket": { pieces, options in WebSocketTrace.lines(pieces: pieces, options: options) },
      "websocket-request": { pieces, _ in HandshakeTrace.request(pieces: pieces) },
      "websocket-offer": { pieces, _ in HandshakeTrace.offer(pieces: pieces) },
      "websocket-answer": { pieces, _ in HandshakeTrace.answer(pieces: pieces) },
    ])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "websocket").count >= 9)
  }

  @Test("bytes are masked one by one with the mask from their offset on, whatever their number and alignment")
  func masks() {
    let mask: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
    let plain = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
    for length in [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 128, 200] {
      for start in 0..<17 {
        for offset: UInt64 in [0, 1, 2, 3, 4, UInt64.max] {
          var bytes = plain
          bytes.withUnsafeMutableBufferPointer {
            cwire_ws_mask($0.baseAddress! + start, length, mask, offset)
          }
          var expected = plain
          for index in 0..<length { expected[start + index] ^= mask[Int((offset &+ UInt64(index)) & 3)] }
          #expect(bytes == expected, "\(length) bytes at \(start), offset \(offset)")
        }
      }
    }
  }

  @Test("a head that is written reads as it was", arguments: [0, 125, 126, 65535, 65536, UInt64(Int64.max)])
  func heads(length: UInt64) {
    for peer in [CWIRE_WS_CLIENT, CWIRE_WS_SERVER] {
      let mask: [UInt8]? = peer == CWIRE_WS_CLIENT ? [1, 2, 3, 4] : nil
      for (opcode, fin, compressed) in [
        (CWIRE_WS_TEXT, true, true), (CWIRE_WS_BINARY, false, false), (CWIRE_WS_CONTINUATION, true, false),
      ] {
        var bytes = [UInt8](repeating: 0, count: Int(CWIRE_WS_HEAD_MAX))
        let size = cwire_ws_put_head(&bytes, opcode, fin, compressed, length, mask)
        var head = cwire_ws_head()
        let read = withExactBytes(Array(bytes[..<size])) { cwire_ws_parse_head(&head, $0, peer) }
        #expect(read == size)
        #expect(head.length == length && head.opcode == opcode.rawValue)
        #expect(head.fin == fin && head.compressed == compressed && head.masked == (mask != nil))
        if let mask { #expect([head.mask.0, head.mask.1, head.mask.2, head.mask.3] == mask) }
      }
    }
  }

  @Test("long messages come whole", arguments: [65_535, 65_536, 200_000])
  func longMessages(length: Int) {
    var frame = [UInt8](repeating: 0, count: Int(CWIRE_WS_HEAD_MAX))
    frame.removeLast(frame.count - cwire_ws_put_head(&frame, CWIRE_WS_TEXT, true, false, UInt64(length), [0, 0, 0, 0]))
    frame += repeatElement(UInt8(ascii: "a"), count: length)
    let expected = ["text \(String(repeating: "a", count: length))"]
    for cut in [1, 3, 8, 13, 14, 4096, length] {
      let pieces = [Array(frame[..<cut]), Array(frame[cut...])]
      #expect(WebSocketTrace.lines(pieces: pieces, options: [:]) == expected, "cut after \(cut)")
    }
  }

  @Test("what is kept between two reads of a connection is at most 32 bytes")
  func size() {
    #expect(MemoryLayout<cwire_ws_reader>.size <= 32)
  }

  @Test("a subprotocol is found by its exact name in any line")
  func protocols() {
    let request =
      "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: x, MCP\r\nSec-WebSocket-Protocol: mcp ,y\r\n\r\n"
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    withExactBytes(Array(request.utf8)) { input in
      #expect(cwire_http1_parse_request(head, &limits, input, 0) == input.length)
      for name in ["x", "y", "mcp", "MCP"] { #expect(cwire_ws_has_protocol(head, span(name)), "\(name)") }
      for name in ["X", "Mcp", "m", "", "mcp ,y"] { #expect(!cwire_ws_has_protocol(head, span(name)), "\(name)") }
    }
  }
}
