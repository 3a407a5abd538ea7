import MCP
import Testing

@testable import WorkerBench

@Suite("A request that waits for a conversation to open")
struct WaitingRequestTests {
  @Test("counts for its client until it goes out, and no longer than it waits", arguments: [true, false])
  func kept(cancels: Bool) throws {
    let server = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": "session"])
    let bench = try WorkerBench(server)
    var opening: BenchRequest?
    server.on("initialize") { opening = $0 }
    let client = try bench.client()
    let call = client.call("a__echo", ["text": .text(String(repeating: "x", count: 10_000))])
    let held = try #require(opening)
    #expect(server.calls.isEmpty)
    if cancels {
      client.cancel(call)
      #expect(call.error != .null)
    }
    server.on("initialize", nil)
    server.receive(held.message, nil, on: held.connection)
    bench.settle()
    #expect(server.calls.count == (cancels ? 0 : 1))
    if !cancels { try server.next().answer(["content": []]) }
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
  }

  @Test(
    "that opens it is not cancelled however long it takes, as no revision has initialize cancelled",
    arguments: [BenchUpstream.Transport.http, .eventStream, .webSocket, .stdio])
  func initialize(_ transport: BenchUpstream.Transport) throws {
    let server = BenchUpstream("a", .newestLegacy, over: transport, ["isolation": "session"])
    let bench = try WorkerBench(server) { $0.callTimeout = .seconds(2) }
    server.on("initialize") { _ in }
    let opened = server.requests("initialize").count
    let call = try bench.client().call("a__echo")
    #expect(server.requests("initialize").count == opened + 1)
    bench.advance(milliseconds: 60_000)
    #expect(call.error != .null && server.calls.isEmpty)
    #expect(server.cancelled == [])
  }
}
