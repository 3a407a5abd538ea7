import CWire
import Glibc
import Testing

@Suite("What proxies say of clients")
struct ProxyTests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "proxy"))
  func fixtures(page: FixturePage) throws {
    try page.check(["proxy": { pieces, _ in Self.trace(pieces) }])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(FixturePage.pages(in: "proxy").count >= 1)
  }

  /// Feeds the header piece by piece until there is a result; the rest is what came after it.
  private static func trace(_ pieces: [[UInt8]]) -> [String] {
    var came: [UInt8] = []
    var proxy = cwire_proxy()
    var result = 0
    for piece in pieces {
      came += piece
      if result == 0 { result = withExactBytes(came) { cwire_proxy_parse(&proxy, $0) } }
    }
    guard result > 0 else {
      if result == 0 { return ["unfinished"] }
      return [result == CWIRE_PROXY_TOO_LARGE ? "error too_large" : "error bad"]
    }
    let rest = came[result...]
    let source =
      proxy.known ? "source \(text(withUnsafeBytes(of: proxy.source) { Array($0) })) \(proxy.port)" : "nobody"
    return [source] + (rest.isEmpty ? [] : ["rest \(FixtureText.escape(rest))"])
  }

  private static func text(_ address: [UInt8]) -> String {
    var room = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let isV4 = address[..<12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    _ = address.withUnsafeBytes { bytes in
      inet_ntop(
        isV4 ? AF_INET : AF_INET6, isV4 ? bytes.baseAddress! + 12 : bytes.baseAddress!, &room, socklen_t(room.count))
    }
    return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Fields

  /// The hops of a request with these lines, the last one first, each as its address, or `?`.
  private func hops(_ lines: String...) -> [String] {
    let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
    let hops = UnsafeMutablePointer<cwire_span>.allocate(capacity: CWIRE_FORWARDED_MOST)
    defer {
      head.deallocate()
      hops.deallocate()
    }
    let text = "GET / HTTP/1.1\r\nHost: h\r\n" + lines.map { "\($0)\r\n" }.joined() + "\r\n"
    var limits = cwire_http1_default_limits()
    return withExactBytes(Array(text.utf8)) { input in
      guard cwire_http1_parse_request(head, &limits, input, 0) > 0 else { return ["refused"] }
      return (0..<cwire_forwarded_hops(head, hops)).map { index in
        var address = [UInt8](repeating: 0, count: 16)
        return cwire_forwarded_address(hops[index], &address) ? Self.text(address) : "?"
      }
    }
  }

  @Test("the elements of X-Forwarded-For are read from the last one, over all its lines")
  func lists() {
    #expect(hops() == [])
    #expect(hops("X-Forwarded-For: 192.0.2.1") == ["192.0.2.1"])
    #expect(hops("X-Forwarded-For: 192.0.2.1, 2001:db8::1 ,,10.0.0.1") == ["10.0.0.1", "2001:db8::1", "192.0.2.1"])
    #expect(hops("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2") == ["192.0.2.2", "192.0.2.1"])
    #expect(hops("X-Forwarded-For:") == [])
    #expect(hops("X-Forwarded-For: unknown, 192.0.2.1") == ["192.0.2.1", "?"])
  }

  @Test(
    "an address is taken with a port and without",
    arguments: [
      ("192.0.2.1:4711", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1"), ("[2001:db8::1]:4711", "2001:db8::1"),
      ("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1:_hidden", "192.0.2.1"),
      ("[192.0.2.1]", "?"), ("192.0.2.1:", "?"), ("[2001:db8::1", "?"), ("[2001:db8::1]x", "?"), ("_hidden", "?"),
      ("h.example", "?"), ("192.0.2", "?"), ("0x7f.0.0.1", "?"), ("127.1", "?"), ("fe80::1%eth0", "?"), ("[]", "?"),
      ("192.0.2.1:80:90", "?"), (":", "?"), ("::", "::"), ("\(String(repeating: "1", count: 60))", "?"),
    ])
  func addresses(text: String, address: String) {
    #expect(hops("X-Forwarded-For: \(text)") == [address])
  }

  @Test(
    "the `for` of each element of Forwarded is read",
    arguments: [
      ("for=192.0.2.1", ["192.0.2.1"]), ("For=\"[2001:db8::1]:4711\"", ["2001:db8::1"]),
      ("for=192.0.2.1;proto=http;by=203.0.113.43", ["192.0.2.1"]),
      ("proto=https ; for=192.0.2.1, for=10.0.0.1;host=\"a,b;c\"", ["10.0.0.1", "192.0.2.1"]),
      ("by=10.0.0.1", ["?"]), ("for=unknown, for=_x", ["?", "?"]), ("for=\"192.0.2.1:80\"", ["192.0.2.1"]),
      // What is malformed says nothing at all.
      ("for=192.0.2.1;", []), ("for=", []), ("for", []), ("for=\"192.0.2.1", []), ("for=\"1\\92.0.2.1\"", []),
      ("for=192.0.2.1;for=192.0.2.2", []), ("for=192.0.2.1,", []), ("=1", []), ("for=a\"b", []),
      ("for=\"192.0.2.1\"x", []), ("for =192.0.2.1", ["192.0.2.1"]),
    ])
  func elements(text: String, expected: [String]) {
    #expect(hops("Forwarded: \(text)") == expected)
  }

  @Test("X-Forwarded-For goes before Forwarded, which most proxies let through as it came")
  func precedence() {
    #expect(hops("Forwarded: for=192.0.2.66", "X-Forwarded-For: 192.0.2.1") == ["192.0.2.1"])
    #expect(hops("X-Forwarded-For: _x", "Forwarded: for=192.0.2.66") == ["?"])
  }

  @Test("of many hops the last ones are kept")
  func many() {
    let list = (0..<100).map { "10.0.0.\($0)" }
    let found = hops("X-Forwarded-For: \(list.joined(separator: ", "))")
    #expect(found == Array(list.reversed().prefix(32)))
  }

  // MARK: Networks

  @Test(
    "an address is in a network if it agrees in the bits that count",
    arguments: [
      ("10.0.0.0", 104, "10.255.0.1", true), ("10.0.0.0", 104, "11.0.0.1", false),
      ("10.0.0.0", 105, "10.128.0.1", false),
      ("10.0.0.0", 105, "10.127.0.1", true), ("192.0.2.1", 128, "192.0.2.1", true),
      ("192.0.2.1", 128, "192.0.2.2", false),
      ("::", 0, "192.0.2.1", true), ("::1", 128, "::1", true), ("::1", 128, "127.0.0.1", false),
      ("2001:db8::", 33, "2001:db8:7fff::1", true), ("2001:db8::", 33, "2001:db8:8000::1", false),
      ("192.0.2.0", 127, "192.0.2.1", true), ("192.0.2.0", 127, "192.0.2.2", false),
    ])
  func networks(network: String, bits: UInt8, address: String, isInside: Bool) {
    var first = cwire_network()
    var second = [UInt8](repeating: 0, count: 16)
    withUnsafeMutableBytes(of: &first.address) { room in
      _ = cwire_address_parse(span(network), room.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }
    first.bits = bits
    #expect(cwire_address_parse(span(address), &second))
    #expect(cwire_network_has(&first, second) == isInside)
  }
}
