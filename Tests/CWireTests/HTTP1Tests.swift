import CWire
import Testing

@Suite("HTTP/1.1")
struct HTTP1Tests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "http1"))
  func fixtures(page: FixturePage) throws {
    try page.check([
      "http1-request": { pieces, options in HTTP1Trace.lines(.request, pieces: pieces, options: options) },
      "http1-response": { pieces, options in HTTP1Trace.lines(.response, pieces: pieces, options: options) },
    ])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "http1").count >= 5)
  }

  @Test("each field is found by its name in any mixture of cases, and by no neighbour of it")
  func fieldNames() {
    for index in 0..<CWIRE_FIELD_COUNT.rawValue {
      let name = string(cwire_http1_field_name(cwire_http1_field(rawValue: index)))
      let mixed = String(name.enumerated().map { $0.offset % 2 == 0 ? Character($0.element.lowercased()) : $0.element })
      for spelling in [name, name.lowercased(), name.uppercased(), mixed] {
        #expect(find(spelling) == index, "\(spelling)")
      }
      for neighbour in [name + "x", "x" + name, String(name.dropLast()), String(name.dropLast()) + "!"] {
        #expect(find(neighbour) == CWIRE_FIELD_COUNT.rawValue, "\(neighbour)")
      }
    }
  }

  @Test("every error has a status of its kind, a sentence and a name of its own")
  func errors() {
    var names: Set<String> = []
    for error in CWIRE_HTTP1_ERROR_LAST.rawValue..<0 {
      #expect([400, 405, 413, 414, 417, 431, 501, 505].contains(cwire_http1_error_status(error)))
      #expect(String(cString: cwire_http1_error_text(error)).contains(" "))
      #expect(names.insert(String(cString: cwire_http1_error_name(error))).inserted)
    }
    #expect(cwire_http1_error_status(0) == 400)
    #expect(cwire_http1_error_status(CWIRE_HTTP1_ERROR_LAST.rawValue - 1) == 400)
  }

  @Test(
    "a host with or without port is an authority",
    arguments: [
      "example.com", "example.com:80", "example.com:", "a-b.c_d~e", "xn--bcher-kva.example", "%41.example", "127.0.0.1",
      "127.0.0.1:65535", "999.1.1.1", "[::]", "[::1]:4001", "[1:2:3:4:5:6:7:8]", "[1::8]", "[::ffff:127.0.0.1]",
      "[1:2:3:4:5:6:1.2.3.4]", "[1::]", "[2001:DB8::1]", "[1:2:3:4:5:6:7::]", String(repeating: "a", count: 255),
    ])
  func authority(text: String) {
    #expect(isAuthority(text))
  }

  @Test(
    "anything else is not",
    arguments: [
      "", ":80", "a b", "a,b", "user@example.com", "user:secret@example.com", "example.com:65536", "example.com:8o",
      "example.com:80:80", "example.com:-1", "example.com:000080", "http://example.com", "example.com/", "a?b", "a#b",
      "%4",
      "%zz", "exa\u{e4}mple", "[", "[]", "[::1", "::1", "[::1]x", "[::1]:x", "[1]", "[1:2]", "[1:2:3:4:5:6:7]",
      "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[:1]", "[1:]", "[12345::]", "[g::]", "[::1%25eth0]", "[::256.1.1.1]",
      "[::01.1.1.1]", "[1:2:3:4:5:6:7:1.2.3.4]", "[1:2:3:4:5:6:7:8::]", "[v1.a]", String(repeating: "a", count: 256),
    ])
  func notAuthority(text: String) {
    #expect(!isAuthority(text))
  }

  @Test("a body decoder takes at most 24 bytes")
  func bodySize() {
    #expect(MemoryLayout<cwire_http1_body>.size <= 24)
  }

  @Test("a message without a body is complete from the start and stays so")
  func noBody() {
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    let consumed = cwire_http1_parse_request(head, &limits, span("GET / HTTP/1.0\r\n\r\n"), 0)
    #expect(consumed > 0)
    var body = cwire_http1_body()
    var next = span("GET")
    var piece = cwire_span()
    #expect(cwire_http1_body_start(&body, head, 0) == 0)
    #expect(cwire_http1_body_next(&body, &next, &piece) == 0)
    #expect(piece.length == 0 && string(next) == "GET")
    #expect(cwire_http1_body_end(&body) == 0)
  }

  @Test("a token is found in all lines of a list field")
  func tokens() throws {
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    let text = "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nConnection: x , Foo\r\nTE: a\r\nconnection:bar\r\n\r\n"
    let consumed = Array(text.utf8).withUnsafeBytes { bytes in
      let consumed = cwire_http1_parse_request(head, &limits, cwire_span_make(bytes.baseAddress, bytes.count), 0)
      for token in ["x", "foo", "BAR"] {
        #expect(cwire_http1_has_token(head, CWIRE_FIELD_CONNECTION, span(token)), "\(token)")
      }
      for token in ["fo", "a", "1", ""] {
        #expect(!cwire_http1_has_token(head, CWIRE_FIELD_CONNECTION, span(token)), "\(token)")
      }
      #expect(string(cwire_http1_find_header(head, span("x-a"))) == "1")
      #expect(cwire_http1_find_header(head, span("connection")).base == nil)
      return consumed
    }
    #expect(consumed == text.utf8.count)
    #expect(head.pointee.method == CWIRE_METHOD_GET)
    #expect(head.pointee.repeated == 1 << UInt64(CWIRE_FIELD_CONNECTION.rawValue))
  }

  @Test("methods are recognised by case")
  func methods() {
    let methods: [(String, cwire_http1_method)] = [
      ("GET", CWIRE_METHOD_GET), ("HEAD", CWIRE_METHOD_HEAD), ("POST", CWIRE_METHOD_POST), ("PUT", CWIRE_METHOD_PUT),
      ("DELETE", CWIRE_METHOD_DELETE), ("OPTIONS", CWIRE_METHOD_OPTIONS), ("PATCH", CWIRE_METHOD_PATCH),
      ("TRACE", CWIRE_METHOD_TRACE), ("get", CWIRE_METHOD_OTHER), ("GETS", CWIRE_METHOD_OTHER),
      ("PROPFIND", CWIRE_METHOD_OTHER),
    ]
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    for (text, method) in methods {
      let consumed = cwire_http1_parse_request(head, &limits, span("\(text) / HTTP/1.0\r\n\r\n"), 0)
      #expect(consumed > 0)
      #expect(head.pointee.method == method, "\(text)")
    }
  }

  private func find(_ name: String) -> UInt32 { cwire_http1_field_find(span(name)).rawValue }

  private func isAuthority(_ text: String) -> Bool { cwire_http1_is_authority(span(text)) }
}
