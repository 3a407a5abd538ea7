import Configuration
import MCP
import Testing

@testable import WorkerBench

/// How lists of servers are fetched, kept and let go.
@Suite("Servers and their lists over time")
struct ServersThatChangeTests {
  private static let shout: JSONValue = ["name": "shout", "inputSchema": ["type": "object"]]

  private func tools(_ client: BenchClient) -> [JSONValue] {
    client.request("tools/list").result["tools"].items.map { $0["name"] }
  }

  @Test("Cursors that go round in a circle end the fetch; what came so far is served")
  func circle() throws {
    let server = BenchUpstream()
    server.on("tools/list") { request in
      request.answer(["tools": .array(server.tools), "nextCursor": "again"])
    }
    let bench = try WorkerBench(server)
    #expect(server.requests("tools/list").count == 2)
    #expect(bench.log.contains { $0.contains("the cursors go round in a circle") })
    #expect(tools(try bench.client()).first == "a__echo")
  }

  @Test(
    "A list of who has no stream to tell on is looked at again after list_ttl, of who has one it is not",
    arguments: [true, false])
  func age(hasStreams: Bool) throws {
    let server = BenchUpstream()
    if !hasStreams { server.on("GET") { $0.refuse(405) } }
    let bench = try WorkerBench(server) { $0.listTTL = .seconds(5) }
    let client = try bench.client()
    // That it has none is known once somebody has asked for one.
    client.call("a__echo")
    try server.next().answer(["content": []])
    bench.advance(milliseconds: 6000)
    _ = tools(client)
    server.tools.append(Self.shout)
    bench.advance(milliseconds: 4000)
    #expect(tools(client) == ["a__echo"])
    bench.advance(milliseconds: 2000)
    #expect(tools(client) == (hasStreams ? ["a__echo"] : ["a__echo", "a__shout"]))
  }

  @Test("Who looked at a server alone that is configured no more has nothing left to look at")
  func removed() throws {
    let (server, other) = (BenchUpstream(), BenchUpstream("b"))
    let bench = try WorkerBench(server, other)
    let (alone, both) = (bench.stranger(), try bench.client())
    alone.path = "/mcp/a"
    try alone.open()
    let socket = bench.stranger(over: .webSocket)
    socket.path = "/mcp/a"
    try socket.open()
    let stream = alone.listen()
    #expect(alone.request("ping").result == [:])
    try bench.reload(other)
    bench.advance(milliseconds: 500)
    #expect(alone.request("ping").status == 404)
    #expect(stream.isOver)
    #expect(socket.conversation?.closeCode != nil)
    #expect(both.request("ping").result == [:] && tools(both) == ["b__echo"])
  }

  @Test("Nothing is kept of a server that is gone, though its sessions are ended when it has left")
  func nothingKept() throws {
    let (server, other) = (BenchUpstream(), BenchUpstream("b"))
    let bench = try WorkerBench(server, other)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    try bench.reload(other)
    bench.advance(milliseconds: 500)
    #expect(!server.requests("DELETE").isEmpty)
    #expect(bench.leftovers() == [])
  }

  @Test("A server that was changed and does not answer keeps its tools listed, and its calls fail")
  func changed() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let next = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": "shared"])
    next.refusesConnections = true
    let told = try bench.reload(next)
    #expect(told == "changed a")
    bench.advance(milliseconds: 3000)
    #expect(tools(client) == ["a__echo"])
    #expect(client.call("a__echo").error["data"]["server"] == "a")
    #expect(server.calls.isEmpty)
    next.refusesConnections = false
    bench.advance(milliseconds: 40_000)
    client.call("a__echo")
    try next.next().answer(["content": []])
  }

  @Test("A legacy server that refuses calls is asked what it speaks, once in five seconds")
  func upgrades() throws {
    let server = BenchUpstream()
    server.on("tools/call") { $0.refuse(405) }
    let bench = try WorkerBench(server)
    let client = try bench.client()
    bench.advance(milliseconds: 6000)
    let before = server.requests("server/discover").count
    for _ in 0..<4 {
      client.call("a__echo")
      bench.advance(milliseconds: 100)
    }
    #expect(server.requests("server/discover").count == before + 1)
    bench.advance(milliseconds: 5000)
    client.call("a__echo")
    bench.advance(milliseconds: 100)
    #expect(server.requests("server/discover").count == before + 2)
  }
}
