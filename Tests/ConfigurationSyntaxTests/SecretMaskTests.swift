import Testing

@testable import ConfigurationSyntax

@Suite struct SecretMaskTests {
  @Test("what looks like a secret is not printed")
  func secrets() {
    #expect(
      SecretMask.masked(["-y", "x", "--api-key", "k", "--token=t", "API_KEY=k", "--auth", "--port", "1"])
        == ["-y", "x", "--api-key", "***", "--token=***", "API_KEY=***", "--auth", "--port", "1"])
    #expect(
      SecretMask.masked([
        "https://h/s/k3y/mcp?a=b", "postgres://u:p@h/db", "--url=https://h/mcp?k=1", "redis://h:1", "a=b", "x://",
      ]) == ["https://h/s/***/mcp?***", "postgres://***", "--url=https://h/mcp?***", "redis://***", "a=b", "x://***"])
  }
}
