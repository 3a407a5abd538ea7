import MCP
import Testing

@testable import WorkerBench

@Suite("A tool whose calls fail")
struct ToolBreakerTests {
  private static let tools: [JSONValue] = ["bad", "good"].map {
    ["name": .text($0), "inputSchema": ["type": "object"]]
  }

  private func server(_ kind: BenchUpstream.Kind) -> BenchUpstream {
    let server = BenchUpstream(kind)
    server.tools = Self.tools
    return server
  }

  /// Calls a tool that fails, until its circuit breaker opens.
  private func fail(_ client: BenchClient, _ server: BenchUpstream) throws {
    for _ in 0..<3 {
      let call = client.call("a__bad")
      try server.next().fail(-32603, "it broke")
      #expect(call.error["message"] == "it broke")
    }
  }

  @Test("is not called for a while, and the error names it; the others are", arguments: BenchUpstream.kinds)
  func opens(_ kind: BenchUpstream.Kind) throws {
    let server = server(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    try fail(client, server)
    let refused = client.call("a__bad")
    #expect(refused.error["code"] == -32603)
    #expect(refused.error["data"]["reason"] == "circuit_open")
    #expect(refused.error["data"]["server"] == "a")
    let message = refused.error["message"].string ?? ""
    #expect(
      message.hasPrefix("server \"a\" is not asked for its tool \"bad\" now: the last calls have failed; try again in ")
    )
    #expect(server.calls.count == 3)
    let other = client.call("a__good")
    try server.next().answer(["content": []])
    #expect(other.result["content"] == [])
    #expect(bench.log.contains { $0.contains("a: its tool \"bad\" fails; it is not called for") })
    #expect(bench.unfinished == [])
  }

  @Test("is not called for a while either if its calls are not answered in time", arguments: BenchUpstream.kinds)
  func timeouts(_ kind: BenchUpstream.Kind) throws {
    let server = server(kind)
    let bench = try WorkerBench(server) {
      $0.callTimeout = .seconds(2)
      $0.servers[0].routing.breaker.openTime = .seconds(10)
    }
    let client = try bench.client()
    for _ in 0..<3 {
      let call = client.call("a__bad")
      _ = try server.next()
      bench.advance(milliseconds: 3000)
      #expect(call.error["data"]["reason"] == "upstream_timeout")
    }
    #expect(client.call("a__bad").error["data"]["reason"] == "circuit_open")
    let other = client.call("a__good")
    try server.next().answer(["content": []])
    #expect(other.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test func isCalledAgainOnceItsTimeIsOverAndOneCallWentWell() throws {
    let server = server(BenchUpstream.kinds[0])
    let bench = try WorkerBench(server)
    let client = try bench.client()
    try fail(client, server)
    bench.advance(milliseconds: 1000)
    let probe = client.call("a__bad")
    let request = try server.next()
    // Until it is known how that one ends no other goes there.
    #expect(client.call("a__bad").error["data"]["reason"] == "circuit_open")
    request.answer(["content": []])
    #expect(probe.result["content"] == [])
    #expect(bench.log.contains { $0.contains("a: its tool \"bad\" is called again") })
    client.call("a__bad")
    try server.next().answer(["content": []])
    #expect(bench.unfinished == [])
  }

  @Test func aProbeThatItsClientCancelsLetsAnotherTry() throws {
    let server = server(BenchUpstream.kinds[0])
    let bench = try WorkerBench(server)
    let client = try bench.client()
    try fail(client, server)
    bench.advance(milliseconds: 1000)
    let probe = client.call("a__bad")
    _ = try server.next()
    client.cancel(probe)
    client.call("a__bad")
    try server.next().answer(["content": []])
    #expect(bench.unfinished == [])
  }

  @Test func takesItsEndpointWithItWhereToolsHaveNoneOfTheirOwn() throws {
    let server = server(BenchUpstream.kinds[0])
    let bench = try WorkerBench(server) { $0.servers[0].routing.breaker.perTool = false }
    let client = try bench.client()
    try fail(client, server)
    let other = client.call("a__good")
    #expect(other.error["data"]["reason"] == "circuit_open")
    #expect(
      other.error["message"].string?.hasPrefix("server \"a\" is not called now: its last calls have failed") == true)
  }

  @Test func whatConcernsTheEndpointIsNotHeldAgainstTheTool() throws {
    let server = server(BenchUpstream.kinds[0])
    let bench = try WorkerBench(server) { $0.servers[0].routing.failoverThreshold = 2 }
    let client = try bench.client()
    for tool in ["a__bad", "a__good"] {
      client.call(tool)
      try server.next().fail(-32603, "it broke")
    }
    // Two of two tools: the endpoint is what fails.
    for tool in ["a__bad", "a__good"] {
      let call = client.call(tool)
      #expect(call.error["message"].string?.hasPrefix("server \"a\" is not called now") == true)
    }
    #expect(server.calls.count == 2)
  }
}
