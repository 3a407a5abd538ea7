import Configuration
import MCP
import Testing

@testable import Reactor
@testable import WorkerBench

/// `idle_stop`.
@Suite("A child that nobody uses")
struct IdleStopTests {
  private static let answer: JSONValue = ["content": []]

  private func bench(_ server: BenchUpstream) throws -> WorkerBench {
    try WorkerBench(server, workers: 2) {
      $0.servers[0].idleStop = .seconds(20)
      $0.routing.healthCheckInterval = .seconds(5)
      $0.servers[0].routing = $0.routing
    }
  }

  @Test("is ended, and started by the next call, which waits for it", arguments: BenchUpstream.children)
  func stops(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try bench(server)
    let client = try bench.client(worker: 1)
    for round in 1...3 {
      let call = client.call("a__echo")
      try server.next().answer(Self.answer)
      #expect(call.result["content"] == [] && server.connectionCount == 1)
      bench.advance(milliseconds: 19_000)
      #expect(server.connectionCount == 1)
      bench.advance(milliseconds: 3000)
      #expect(server.connectionCount == 0)
      #expect(bench.log.count { $0.contains("a is stopped: nobody has used it for 20s") } == round, "\(bench.log)")
      bench.advance(milliseconds: 60_000)
      #expect(server.connectionCount == 0, "checks of its health start nothing")
      #expect(client.request("tools/list").result["tools"].items.isEmpty == false)
    }
    #expect(bench.log.count { $0.contains("a is started again") } == 2 && server.problems.isEmpty)
    #expect(!bench.log.contains { $0.contains("not available") || $0.contains("exited") }, "\(bench.log)")
  }

  @Test("is used as long as a call is on its way", arguments: BenchUpstream.children)
  func longCall(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try bench(server)
    let call = try bench.client(worker: 1).call("a__echo")
    bench.advance(milliseconds: 50_000)
    try server.next().answer(Self.answer)
    #expect(call.result["content"] == [])
    bench.advance(milliseconds: 19_000)
    #expect(server.connectionCount == 1)
    bench.advance(milliseconds: 3000)
    #expect(server.connectionCount == 0)
  }

  @Test("is never in the way of a call that comes as it is ended", arguments: BenchUpstream.children)
  func races(_ kind: BenchUpstream.Kind) throws {
    for (worker, steps) in [0, 1].flatMap({ worker in (0..<30).map { (worker, $0) } }) {
      let server = BenchUpstream(kind)
      server.on("tools/call") { $0.answer(Self.answer) }
      let bench = try bench(server)
      let client = try bench.client(worker: worker)
      #expect(client.call("a__echo").result["content"] == [])
      bench.advance(milliseconds: 19_980)
      var call: BenchCall?
      bench.atOnce {
        bench.gateway.advance(20)
        let loops = bench.gateway.loops
        for step in 0..<steps { _ = loops[step % loops.count].step() }
        call = client.call("a__echo")
        // The worker hears of it before any other loop goes on.
        for _ in 0..<4 { _ = loops[worker].step() }
      }
      bench.advance(milliseconds: 100)
      #expect(call?.result["content"] == [], "\(steps) steps, on worker \(worker): \(String(describing: call))")
      #expect(server.problems.isEmpty && bench.unfinished.isEmpty)
      #expect(server.connectionCount == 1)
    }
  }

  @Test("keeps its subscriptions, which are a use")
  func subscriptions() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .stdio)
    let bench = try bench(server)
    let client = try bench.client(worker: 1)
    client.request("resources/subscribe", ["uri": "test://a"])
    bench.advance(milliseconds: 60_000)
    #expect(server.connectionCount == 1)
    client.request("resources/unsubscribe", ["uri": "test://a"])
    bench.advance(milliseconds: 45_000)
    #expect(server.connectionCount == 0)
  }
}
