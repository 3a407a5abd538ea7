import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct FormTests {
  @Test(
    "durations",
    arguments: [
      ("30s", Duration.seconds(30)), ("5m", .seconds(300)), ("250ms", .milliseconds(250)), ("2h", .seconds(7200)),
      ("1m30s", .seconds(90)), ("1500", .milliseconds(1500)), ("0", .zero), ("1d", .seconds(86_400)),
      ("1h30m", .seconds(5400)), ("1h 30m", .seconds(5400)), ("1d 2h 3m4s 5ms", .milliseconds(93_784_005)),
    ])
  func durations(text: String, duration: Duration) {
    #expect(Quantity.duration(text) == duration)
  }

  @Test(
    "what is no duration",
    arguments: [
      "", "s", "-1s", "1.5s", "5 m", "1y", "99999999999999999999", "9999999999h", "1h  30m", "1h ", " 1h", "1h30",
      "1h 30",
    ])
  func noDurations(text: String) {
    #expect(Quantity.duration(text) == nil)
  }

  @Test(
    "sizes",
    arguments: [
      ("64KiB", 65_536), ("4MiB", 4_194_304), ("1KB", 1000), ("2 GiB", 2_147_483_648), ("77", 77), ("5b", 5),
      ("1kib", 1024),
    ])
  func sizes(text: String, size: Int) {
    #expect(Quantity.size(text) == size)
  }

  @Test("what is no size", arguments: ["", "KiB", "-1", "1.5MiB", "5X", "9999999999999GiB", "１KB"])
  func noSizes(text: String) {
    #expect(Quantity.size(text) == nil)
  }

  @Test("numbers with places behind the point", arguments: [("2", 2000), ("0.5", 500), ("1.25", 1250), ("0.005", 5)])
  func thousandths(text: String, count: Int) {
    #expect(Quantity.thousandths(text) == count)
    #expect(Quantity.describe(thousandths: count) == text)
  }

  @Test("what is no such number", arguments: ["", ".", "1.", ".5", "-1", "0.0005", "1.2.3", "x", "9999999999"])
  func noThousandths(text: String) {
    #expect(Quantity.thousandths(text) == nil)
  }

  @Test("durations and sizes are described in their largest unit")
  func described() {
    #expect(Quantity.describe(.seconds(7200)) == "2h")
    #expect(Quantity.describe(.seconds(172_800)) == "2d")
    #expect(Quantity.describe(.milliseconds(1500)) == "1500ms")
    #expect(Quantity.describe(size: 16 << 20) == "16MiB")
    #expect(Quantity.describe(size: 1000) == "1000 bytes")
  }

  @Test(
    "names become aliases",
    arguments: [
      ("My Server", "my-server"), ("@scope/x", "scope-x"), ("A__B", "a_b"), ("--x--", "x"), ("a - b", "a-b"),
      ("Über uns", "ber-uns"), ("abcdefghijklmnopqrstuvwxyz01234-6789", "abcdefghijklmnopqrstuvwxyz01234"),
    ])
  func slugs(name: String, alias: String) {
    #expect(Alias.slug(name) == alias)
    #expect(Alias.isWellFormed(alias))
  }

  @Test("what is no alias", arguments: ["", "-a", "_a", "a__b", "A", "a b", "é", String(repeating: "a", count: 33)])
  func noAliases(name: String) {
    #expect(!Alias.isWellFormed(name))
  }

  @Test("URLs are taken apart")
  func urls() throws {
    let plain = try EndpointURL(parsing: "HTTP://Host.Example")
    #expect(plain == EndpointURL(scheme: .http, host: "host.example", port: 80, target: "/"))
    #expect(plain.description == "http://host.example/")
    let full = try EndpointURL(parsing: "https://[::1]:8443/a/b?c=d&e#f")
    #expect(full == EndpointURL(scheme: .https, host: "::1", port: 8443, target: "/a/b?c=d&e"))
    #expect(full.authority == "[::1]:8443")
    #expect(try EndpointURL(parsing: "ws://h?q").target == "/?q")
    #expect(try EndpointURL(parsing: "wss://h:443/").authority == "h")
  }

  @Test(
    "what is no URL, and why",
    arguments: [
      ("", "a URL starts with its scheme"), ("host/mcp", "a URL starts with its scheme"),
      ("file:///x", "the scheme `file` can't be used"),
      ("http://a b/", "a URL holds no blanks"), ("http://h/\n", "a URL holds no blanks"),
      ("http://h/é", "a URL holds no blanks and no characters beyond ASCII"),
      ("http://a@h/", "user and password don't belong in a URL"),
      ("http://a:b@h/", "user and password don't belong in a URL"),
      ("http://a:1@h/", "user and password don't belong in a URL"),
      ("http://@h/", "user and password don't belong in a URL"),
      ("http://", "the host is missing"), ("http:///x", "the host is missing"), ("http://?x", "the host is missing"),
      ("http://h:99999/", "the host or port is malformed"), ("http://h:0/", "the host or port is malformed"),
      ("http://h:x/", "the host or port is malformed"), ("http://::1/", "the host or port is malformed"),
      ("http://[::1/", "the host or port is malformed"), ("http://h/<x>", "the path holds a character"),
    ])
  func noURLs(text: String, why: String) {
    #expect {
      try EndpointURL(parsing: text)
    } throws: { error in
      (error as? EndpointURL.Problem)?.message.hasPrefix(why) == true
    }
  }

  @Test(
    "a URL in a report has no key",
    arguments: [
      ("https://h.example/mcp", "https://h.example/mcp"), ("https://h.example/", "https://h.example/"),
      ("https://h.example:8443/v1/my-server/mcp/", "https://h.example:8443/v1/my-server/mcp/"),
      ("https://h.example/mcp?key=1", "https://h.example/mcp?***"), ("https://h/?a", "https://h/?***"),
      ("https://h/s/NTk4YzAtMzA/mcp", "https://h/s/***/mcp"), ("https://h/0123456789abcdef", "https://h/***"),
      ("https://h/deadbeefdeadbeef/sse", "https://h/***/sse"), ("https://h/a%20b/x", "https://h/***/x"),
      ("https://h/tok3n", "https://h/***"), ("https://h/Secret", "https://h/***"),
      ("https://h/123456", "https://h/***"),
      ("https://h/a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s", "https://h/***"),
    ])
  func masks(text: String, shown: String) throws {
    #expect(try EndpointURL(parsing: text).masked() == shown)
  }

  @Test("what a variable put into a URL is not shown, however plain")
  func maskedVariables() throws {
    let url = try EndpointURL(parsing: "https://h.example/team/hunter/mcp")
    #expect(url.masked(template: "https://h.example/team/${KEY}/mcp") == "https://h.example/team/***/mcp")
    #expect(url.masked(template: "https://h.example/${REST}") == "https://h.example/***/***/***")
    #expect(url.masked(template: "${URL}") == "https://h.example/***/***/***")
    #expect(url.masked(template: "https://${HOST}/team/hunter/mcp") == "https://h.example/team/hunter/mcp")
  }

  @Test(
    "what looks like an IPv4 address is one", arguments: ["300.1.1.1", "1.2.3", "1.2.3.4.5", "1..3.4", "10.0.0.-1.1"])
  func noHosts(text: String) {
    #expect(HostForm.host(text) == nil)
  }

  @Test("hosts", arguments: ["127.0.0.1", "0.0.0.0", "255.255.255.255", "node1", "1and1.example", "10.in-addr.arpa"])
  func hosts(text: String) {
    #expect(HostForm.host(text) == text)
  }

  @Test("suggestions are close, or not made")
  func suggestions() {
    let names = ["port", "host", "max_connections", "heartbeat_interval"]
    #expect(Suggestion.nearest(to: "prot", among: names) == "port")
    #expect(Suggestion.nearest(to: "maxConnections", among: names) == "max_connections")
    #expect(Suggestion.nearest(to: "heartbeat-intervall", among: names) == "heartbeat_interval")
    #expect(Suggestion.nearest(to: "tls", among: names) == nil)
  }
}

@Suite("Networks of proxies")
struct NetworkTests {
  @Test(
    "are addresses, or addresses with a number of bits",
    arguments: [
      ("10.0.0.0/8", 0, 0xFFFF_0A00_0000, 104), ("192.0.2.1", 0, 0xFFFF_C000_0201, 128),
      ("0.0.0.0/0", 0, 0xFFFF_0000_0000, 96),
      ("::1", 0, 1, 128), ("::", 0, 0, 128), ("::/0", 0, 0, 0), ("2001:db8::/32", 0x2001_0DB8_0000_0000, 0, 32),
      ("2001:db8::7:8", 0x2001_0DB8_0000_0000, 0x7_0008, 128),
      ("1:2:3:4:5:6:7:8", 0x1_0002_0003_0004, 0x5_0006_0007_0008, 128),
      ("::ffff:192.0.2.1", 0, 0xFFFF_C000_0201, 128), ("FE80::1/10", 0xFE80_0000_0000_0000, 1, 10),
      ("1:2:3:4:5:6:7::", 0x1_0002_0003_0004, 0x5_0006_0007_0000, 128),
      ("::2:3:4:5:6:7:8", 0x2_0003_0004, 0x5_0006_0007_0008, 128),
      ("64:ff9b::192.0.2.33", 0x64_FF9B_0000_0000, 0xC000_0221, 128),
    ] as [(String, UInt64, UInt64, Int)])
  func networks(text: String, high: UInt64, low: UInt64, bits: Int) {
    #expect(IPNetwork(parsing: text) == IPNetwork(high: high, low: low, bits: bits))
  }

  @Test(
    "are nothing else",
    arguments: [
      "", "10.0.0", "10.0.0.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8",
      "::/129", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", ":1", "1:", "12345::",
      "g::",
      "::1.2.3", "1.2.3.4::", "fe80::1%eth0", "[::1]", "proxy.example", "Loopback", "*",
    ])
  func others(text: String) {
    #expect(IPNetwork(parsing: text) == nil)
  }

  @Test("are loopback unless something else is said, and none if so")
  func configured() throws {
    #expect(GatewayConfiguration().trustedProxies == [.loopback])
    #expect(try load("trusted_proxies: []").configuration.trustedProxies == [])
    let several = try load("trusted_proxies: [loopback, 10.0.0.0/8]\nlisteners: {http: {proxy_protocol: true}}")
      .configuration
    #expect(several.trustedProxies == [.loopback, .network(IPNetwork(parsing: "10.0.0.0/8")!)])
    #expect(several.listeners.http.proxyProtocol && !several.listeners.webSocket.proxyProtocol)
    #expect(
      try load("", environment: ["SLUICE_TRUSTED_PROXIES": "192.0.2.1, loopback"]).configuration.trustedProxies.count
        == 2)
    let found = mistakes("trusted_proxies: [10.0.0.0/8, nginx]")
    #expect(found.count == 1)
    #expect(found[0].found == "`nginx`" && found[0].expected == IPNetwork.form)
  }

  @Test("hold what an address of this machine looks like")
  func loopback() {
    #expect(IPNetwork.loopback == [IPNetwork(parsing: "127.0.0.0/8")!, IPNetwork(parsing: "::1/128")!])
  }

  @Test("a mistake of an origin is told where it stands, and what may have been meant")
  func originPlaces() {
    let found = mistakes(
      "listeners:\n  http:\n    allowed_origins: [https://ok.example, \"null\", https://a.example/]\n")
    #expect(found.map(\.position.line) == [3, 3])
    #expect(found[0].message.hasPrefix("`listeners.http.allowed_origins` has the wrong form: `null` is what any page"))
    #expect(found[1].suggestion == "https://a.example")
  }
}
