import Configuration
import MCP
import Testing

@testable import WorkerBench

/// A server that takes requests and says nothing.
private func silent(_ alias: String, over transport: BenchUpstream.Transport = .http) -> BenchUpstream {
  let server = BenchUpstream(alias, .newestLegacy, over: transport)
  for method in ["initialize", "server/discover"] { server.on(method) { _ in } }
  return server
}

@Suite("A start with upstreams that hang")
struct DoorkeeperTests {
  /// Milliseconds after which a gateway with these servers lets clients in.
  private func start(_ servers: [BenchUpstream]) throws -> UInt64 {
    let bench = try WorkerBench(servers, awaitsServers: false)
    while !bench.gateway.isReady, bench.now < 10_000 { bench.advance(milliseconds: 20) }
    return bench.now
  }

  @Test("does not take as long as first_list_wait")
  func hanging() throws {
    let well = (1...16).map { BenchUpstream("s\($0)") }
    #expect(try start(well) == 0)
    #expect(try start(well.map { BenchUpstream($0.alias) } + [silent("x"), silent("y")]) == 380)
  }

  @Test("takes as long as that where one of them is a command")
  func command() throws {
    let servers = (1...16).map { BenchUpstream("s\($0)") } + [silent("x"), silent("y", over: .stdio)]
    #expect(try start(servers) == 3000)
  }

  @Test("lists what is there, and tells of the others when they come")
  func late() throws {
    let servers = (1...4).map { BenchUpstream("s\($0)") }
    let late = BenchUpstream("late")
    var held: [BenchRequest] = []
    late.on("tools/list") { held.append($0) }
    let bench = try WorkerBench(servers + [late])
    let client = try bench.client()
    #expect(client.request("tools/list").result["tools"].items.count == 4)
    let stream = client.listen()
    for request in held { request.answer(["tools": .array(late.tools)]) }
    bench.advance(milliseconds: 1000)
    #expect(stream.messages.contains { $0["method"] == "notifications/tools/list_changed" })
    #expect(client.request("tools/list").result["tools"].items.count == 5)
  }
}
