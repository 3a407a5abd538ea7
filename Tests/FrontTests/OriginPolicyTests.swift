import MCP
import Testing
import Wire

@testable import Configuration
@testable import ConfigurationSyntax
@testable import Front

@Suite("Host and Origin")
struct OriginPolicyTests {
  private func policy(
    bound: String = "127.0.0.1", hosts: [String] = [], origins: [String] = [], anyAddress: Bool = false
  ) -> OriginPolicy {
    var listener = GatewayConfiguration.Listeners.HTTP()
    listener.allowedHosts = hosts
    listener.allowedOrigins = origins
    return OriginPolicy(host: bound, like: listener, anyAddress: anyAddress)
  }

  /// What the policy says of a request with these lines; nil as well if the parser refuses it.
  private func verdict(_ policy: OriginPolicy, host: String = "localhost", _ lines: [String] = []) -> GatewayError.Kind?
  {
    let parser = RequestHeadParser()
    let all = ["GET /mcp HTTP/1.1", "Host: \(host)"] + lines
    let text = Array((all.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    guard let head = parser.parse(text.rawBytes) else { return .parseError }
    return policy.check(head)?.kind
  }

  private func verdict(_ policy: OriginPolicy, origin: String) -> GatewayError.Kind? {
    verdict(policy, ["Origin: \(origin)"])
  }

  @Test(
    "pages of this machine are let in, whatever their port",
    arguments: [
      "http://localhost", "http://localhost:80", "https://localhost:8443", "http://LocalHost:3000", "http://127.0.0.1",
      "http://127.0.0.1:65535", "https://[::1]", "http://[::1]:1",
    ])
  func loopbackPages(origin: String) {
    #expect(verdict(policy(), origin: origin) == nil)
  }

  @Test(
    "what only begins like one is not",
    arguments: [
      "http://localhost:80@evil.com", "http://localhost@evil.com", "http://[::1].evil.com", "http://[::1]evil.com",
      "http://[::1]:80@evil.com", "http://127.0.0.1:80.evil.com", "http://localhost:", "http://localhost:0",
      "http://localhost:65536", "http://localhost:123456", "http://localhost:+80", "http://localhost:8a",
      "http://[::1]:",
      "http://localhost/", "http://localhost:80/", "http://localhost?", "http://localhost#",
      "http://localhost\\evil.com",
      "http://localhost, http://evil.com", "http://localhost http://evil.com", "http://", "https://", "http://:80",
      "http://[::1", "http://[]", "http://[::2]", "http://127.0.0.2", "http://localhost.", "http://localhost.evil.com",
      "http://evil.localhost", "HTTP://localhost", "ws://localhost", "localhost", "//localhost", "null", "file://", "*",
      "http://127.1", "http://2130706433", "http://0x7f.0.0.1", "http://0.0.0.0", "https://evil.example",
    ])
  func otherPages(origin: String) {
    #expect(verdict(policy(), origin: origin) == .badOrigin)
  }

  @Test("what is configured is let in as it is written, and nothing like it")
  func configuredOrigins() {
    let chosen = policy(origins: ["https://app.example", "http://tool.example:8080"])
    #expect(verdict(chosen, origin: "https://app.example") == nil)
    #expect(verdict(chosen, origin: "https://APP.example") == nil)
    #expect(verdict(chosen, origin: "http://tool.example:8080") == nil)
    for origin in [
      "http://app.example", "https://app.example:444", "https://app.example.evil.com", "https://app.example@evil.com",
      "http://tool.example", "null",
    ] {
      #expect(verdict(chosen, origin: origin) == .badOrigin)
    }
    #expect(verdict(policy(origins: ["*"]), origin: "https://evil.example") == nil)
  }

  @Test(
    "what the configuration makes of an origin is what browsers send",
    arguments: [
      ("HTTPS://App.Example:443", "https://app.example"), ("https://[2001:DB8:0:0::7]:443", "https://[2001:db8::7]"),
      ("http://tool.example:0080", "http://tool.example"), ("https://[::ffff:192.0.2.1]", "https://[::ffff:c000:201]"),
    ])
  func oneForm(text: String, sent: String) throws {
    let form = try #require(try HostForm.origin(text))
    #expect(verdict(policy(origins: [form]), origin: sent) == nil)
    let host = try #require(try HostForm.allowedHost("[2001:DB8:0::7]"))
    #expect(verdict(policy(hosts: [host]), host: "[2001:db8::7]:4001") == nil)
  }

  @Test("an origin that comes twice is taken from nobody, and none at all is no browser")
  func counts() {
    #expect(verdict(policy(origins: ["*"]), ["Origin: http://localhost", "Origin: http://localhost"]) == .badOrigin)
    #expect(verdict(policy()) == nil)
  }

  @Test(
    "a host is this machine's or the bound one, with any port",
    arguments: [
      "localhost", "LOCALHOST:4001", "127.0.0.1", "127.0.0.1:1", "[::1]:4001", "Gate.Example", "gate.example:9",
    ])
  func hosts(host: String) {
    #expect(verdict(policy(bound: "gate.example"), host: host) == nil)
  }

  @Test(
    "any other host is misdirected, or no host to the parser",
    arguments: [
      "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "127.0.0.2", "0.0.0.0", "[::2]",
      "localhost.",
    ])
  func foreignHosts(host: String) {
    #expect(verdict(policy(), host: host) == .badHost)
  }

  @Test(
    "what is no host and port does not get this far",
    arguments: ["[::1].evil.com", "localhost:80@evil.com", "localhost@evil.com", "[::1", "localhost:8a", "a b"])
  func malformedHosts(host: String) {
    #expect(verdict(policy(hosts: ["*"]), host: host) == .parseError)
  }

  @Test("bound to all addresses any name will do, unless some are listed")
  func wildcard() {
    for bound in ["0.0.0.0", "::"] {
      #expect(verdict(policy(bound: bound), host: "any.example") == nil)
      let chosen = policy(bound: bound, hosts: ["mcp.example"])
      #expect(verdict(chosen, host: "mcp.example:443") == nil)
      #expect(verdict(chosen, host: "any.example") == .badHost)
      #expect(verdict(chosen, host: bound == "::" ? "[::]" : bound) == .badHost)
    }
    #expect(verdict(policy(bound: "2001:db8::1"), host: "[2001:db8::1]:4001") == nil)
    #expect(verdict(policy(hosts: ["2001:db8::7"]), host: "[2001:db8::7]:4001") == nil)
    #expect(verdict(policy(hosts: ["2001:db8::7"]), host: "[2001:db8::8]") == .badHost)
    #expect(verdict(policy(hosts: ["*"]), host: "any.example") == nil)
  }

  @Test("where probes come, any address will do, and no name does for it")
  func addresses() {
    let admin = policy(hosts: ["mcp.example"], anyAddress: true)
    for host in ["10.1.2.3", "10.1.2.3:4003", "[2001:db8::7]:4003", "192.0.2.255", "mcp.example"] {
      #expect(verdict(admin, host: host) == nil)
    }
    for host in ["evil.example", "10.1.2.3.evil.example", "10.1.2", "10.1.2.3a", "1", "10.1.2.3.4"] {
      #expect(verdict(admin, host: host) == .badHost)
    }
  }
}
