import MCP
import Testing

@testable import WorkerBench

@Suite("Finding out what a server speaks")
struct ProbeTests {
  @Test(
    "A server that has no time to say what it speaks is not taken for a legacy one, in JSON or without a word",
    arguments: [429, 500, 503], [true, false])
  func busy(_ status: Int, inJSON: Bool) throws {
    let server = BenchUpstream("a", .newest)
    server.on("server/discover") { request in
      server.on("server/discover", nil)
      if inJSON { request.fail(-32603, "later", status: status) } else { request.refuse(status) }
    }
    let bench = try WorkerBench(server)
    bench.advance(milliseconds: 2000)
    let call = try bench.client(.newest).call("a__echo")
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
    // What it is for clients of the legacy era is asked once it is known to be modern.
    #expect(server.requests.prefix(2).map(\.method) == ["server/discover", "server/discover"])
  }

  @Test("A server that refuses to be discovered is shaken hands with", arguments: [400, 404, 405])
  func legacy(_ status: Int) throws {
    let server = BenchUpstream()
    server.on("server/discover") { $0.refuse(status) }
    let bench = try WorkerBench(server)
    #expect(server.requests("initialize").count == 1)
    #expect(server.requests("notifications/initialized").count == 1)
    #expect(bench.log.contains { $0.contains("a is ready") })
  }

  @Test("Connections of a server that is no longer configured are closed with their last answer")
  func removed() throws {
    let server = BenchUpstream("a", .newest)
    let other = BenchUpstream("b")
    let bench = try WorkerBench(server, other)
    let client = try bench.client(.newest)
    let first = client.call("a__echo")
    let call = client.call("a__echo")
    let (answered, request) = (try server.next(), try server.next())
    answered.answer(["content": []])
    #expect(first.result["content"] == [])
    #expect(try bench.reload(other) == "removed a")
    // What is idle is closed at once.
    bench.advance(milliseconds: 50)
    #expect(answered.isGone && !request.isGone)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    bench.advance(milliseconds: 1000)
    #expect(request.isGone)
    #expect(server.connectionCount == 0)
  }
}
