import Testing

@testable import ConfigurationSyntax

@Suite("Hosts that nobody beyond this machine reaches")
struct LoopbackTests {
  @Test(
    "are known by their text",
    arguments: ["localhost", "::1", "127.0.0.1", "127.255.0.9", "::ffff:127.0.0.1"])
  func loopback(_ host: String) {
    #expect(HostForm.isLoopback(host))
  }

  @Test(
    "are no names and addresses that only look like them",
    arguments: [
      "127.0.0.com", "127.a.b.c", "127.0.0.1.example", "localhost.example", "127.0.0", "127", "127.0.0.256",
      "128.0.0.1",
      "1.127.0.0", "0.0.0.0", "::", "::2", "::ffff:10.0.0.1", "::ffff:127.0.0.com", "",
    ])
  func others(_ host: String) {
    #expect(!HostForm.isLoopback(host))
  }
}
