import ConfigurationSyntax
import Testing

@Suite struct AuthorityTests {
  @Test(
    "a host and a port are written as a URL has them",
    arguments: [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("localhost", "localhost:80")])
  func text(host: String, text: String) {
    #expect(Authority.text(host, 80) == text)
  }

  @Test(
    "a wildcard is reached through loopback, anything else as it is called",
    arguments: [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("h", "h")])
  func reachable(host: String, name: String) {
    #expect(Authority.reachable(host) == name)
  }
}
