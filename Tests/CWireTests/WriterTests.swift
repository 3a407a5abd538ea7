import CWire
import Testing

@Suite("The writer")
struct WriterTests {
  /// What a run of puts leaves in a buffer of `capacity` bytes; nil if the writer refused any of it.
  private func written(capacity: Int = 256, _ puts: (UnsafeMutablePointer<cwire_writer>) -> Void) -> String? {
    withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 1) { buffer in
      var writer = cwire_writer_make(buffer.baseAddress, capacity)
      puts(&writer)
      return cwire_writer_ok(&writer) ? string(cwire_writer_written(&writer)) : nil
    }
  }

  @Test("numbers are written without leading zeros")
  func numbers() {
    #expect(written { cwire_writer_put_u64($0, 0) } == "0")
    #expect(written { cwire_writer_put_u64($0, .max) } == "18446744073709551615")
    var power: UInt64 = 1
    while power < .max / 10 {
      power *= 10
      for value in [power - 1, power, power + 1, power / 2] {
        #expect(written { cwire_writer_put_u64($0, value) } == "\(value)")
      }
    }
    for value in 0...100 as ClosedRange<UInt64> {
      #expect(written { cwire_writer_put_u64($0, value) } == "\(value)")
    }
    #expect(written { cwire_writer_put_hex($0, 0) } == "0")
    #expect(written { cwire_writer_put_hex($0, 0x1f00) } == "1f00")
    #expect(written { cwire_writer_put_hex($0, .max) } == "ffffffffffffffff")
  }

  @Test("a put that does not fit writes nothing, and nothing after it is written either")
  func overflow() {
    withUnsafeTemporaryAllocation(byteCount: 8, alignment: 1) { buffer in
      var writer = cwire_writer_make(buffer.baseAddress, 4)
      cwire_writer_put_text(&writer, "abc")
      cwire_writer_put_text(&writer, "de")
      cwire_writer_put_byte(&writer, 0x66)
      #expect(writer.overflow)
      #expect(string(cwire_writer_written(&writer)) == "abc")
    }
    #expect(written(capacity: 3) { cwire_writer_put_text($0, "abc") } == "abc")
    #expect(written(capacity: 2) { cwire_writer_put_text($0, "abc") } == nil)
  }

  @Test("a head is written line by line")
  func head() {
    let head = written {
      cwire_http1_put_status_line($0, 431)
      cwire_http1_put_field($0, CWIRE_FIELD_CONTENT_TYPE, span("text/plain"))
      cwire_http1_put_header($0, span("X-Empty"), span(""))
      cwire_http1_put_content_length($0, 12)
      cwire_http1_put_head_end($0)
    }
    #expect(
      head == """
        HTTP/1.1 431 Request Header Fields Too Large\r
        Content-Type: text/plain\r
        X-Empty: \r
        Content-Length: 12\r
        \r\n
        """)
    #expect(
      written { cwire_http1_put_request_line($0, span("POST"), span("/mcp?a=b")) } == "POST /mcp?a=b HTTP/1.1\r\n")
    #expect(written { cwire_http1_put_status_line($0, 299) } == "HTTP/1.1 299 \r\n")
  }

  @Test("a value is searched for control characters wherever they stand, and every name is written whole")
  func fields() {
    for length in 1...50 {
      var value = [UInt8](repeating: 0x61, count: length)
      for field in 0..<UInt32(CWIRE_FIELD_COUNT.rawValue) {
        let line = written { writer in
          value.withUnsafeBufferPointer {
            cwire_http1_put_field(writer, cwire_http1_field(field), cwire_span_make($0.baseAddress, length))
          }
        }
        let name = string(cwire_http1_field_name(cwire_http1_field(field)))
        #expect(line == "\(name): \(String(repeating: "a", count: length))\r\n")
      }
      for place in 0..<length {
        for byte: UInt8 in [0x00, 0x0a, 0x0d, 0x1f, 0x7f] {
          value[place] = byte
          let line = written { writer in
            value.withUnsafeBufferPointer {
              cwire_http1_put_field(writer, CWIRE_FIELD_DATE, cwire_span_make($0.baseAddress, length))
            }
          }
          #expect(line == nil)
        }
        value[place] = 0x61
      }
    }
  }

  @Test("chunks frame data")
  func chunks() {
    let body = written {
      cwire_http1_put_chunked($0)
      cwire_http1_put_head_end($0)
      cwire_http1_put_chunk_head($0, 26)
    }
    #expect(body == "Transfer-Encoding: chunked\r\n\r\n1a\r\n")
    #expect(written { cwire_http1_put_chunk_head($0, 0) } == nil)
  }

  @Test(
    "what would become framing is refused", arguments: ["a\r\nb", "a\nb", "a\rb", "a\u{0}b", "\u{7f}", "\u{1b}[0m"])
  func injection(value: String) {
    #expect(written { cwire_http1_put_header($0, span("X"), span(value)) } == nil)
    #expect(written { cwire_http1_put_field($0, CWIRE_FIELD_LOCATION, span(value)) } == nil)
    #expect(written { cwire_http1_put_header($0, span(value), span("x")) } == nil)
    #expect(written { cwire_http1_put_request_line($0, span("GET"), span("/\(value)")) } == nil)
    #expect(written { cwire_http1_put_request_line($0, span(value), span("/")) } == nil)
  }

  @Test("names, methods and targets that are none are refused")
  func invalid() {
    for name in ["", "a b", "a:", " a", "\u{e4}"] {
      #expect(written { cwire_http1_put_header($0, span(name), span("x")) } == nil, "\(name)")
    }
    #expect(written { cwire_http1_put_field($0, CWIRE_FIELD_OTHER, span("x")) } == nil)
    #expect(written { cwire_http1_put_request_line($0, span("GET"), span("/a b")) } == nil)
    #expect(written { cwire_http1_put_request_line($0, span(""), span("/")) } == nil)
    #expect(written { cwire_http1_put_status_line($0, 99) } == nil)
    #expect(written { cwire_http1_put_status_line($0, 1000) } == nil)
  }

  @Test("tabs and text beyond ASCII may stand in a value")
  func values() {
    #expect(written { cwire_http1_put_header($0, span("X"), span("a\tb\u{e4}")) } == "X: a\tb\u{e4}\r\n")
  }

  @Test(
    "dates are written as HTTP wants them",
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
      (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
      (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"), (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
      (1_735_689_600, "Wed, 01 Jan 2025 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
      (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] as [(Int64, String)])
  func date(seconds: Int64, expected: String) {
    #expect(written { cwire_http1_put_date($0, seconds) } == expected)
  }

  @Test("a date outside four-digit years is refused", arguments: [-1, 253_402_300_800, Int64.max, Int64.min])
  func noDate(seconds: Int64) {
    #expect(written { cwire_http1_put_date($0, seconds) } == nil)
  }
}
