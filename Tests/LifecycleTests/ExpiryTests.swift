import Configuration
import ConfigurationLoading
import Testing

@testable import Lifecycle

@Suite("What nobody asks for any more is looked for")
struct ExpiryTests {
  private func interval(_ change: (inout GatewayConfiguration) -> Void = { _ in }) throws -> UInt64 {
    var inputs = ConfigurationInputs()
    inputs.clientTexts = [#"{"mcpServers": {"a": {"url": "http://a.test/mcp"}, "b": {"url": "http://b.test/mcp"}}}"#]
    var configuration = try ConfigurationLoader.load(inputs, environment: [:]).configuration
    change(&configuration)
    return Expiry.interval(configuration)
  }

  @Test("every five seconds, as a rule")
  func usual() throws { #expect(try interval() == 5000) }

  @Test("four times within the shortest time for which anything may be kept, of any server")
  func shortest() throws {
    #expect(try interval { $0.sessions.idleTimeout = .seconds(2) } == 500)
    #expect(try interval { $0.sessions.resumeWindow = .seconds(2) } == 500)
    #expect(try interval { $0.limits.writeTimeout = .seconds(2) } == 500)
    #expect(try interval { $0.servers[0].pool.idleTimeout = .seconds(2) } == 500)
    #expect(try interval { $0.servers[1].pool.maximumAge = .seconds(2) } == 500)
  }

  @Test("ten times a second at most")
  func often() throws { #expect(try interval { $0.servers[0].pool.idleTimeout = .milliseconds(1) } == 100) }
}
