import Configuration
import MCP
import Testing

@testable import WorkerBench

/// All sessions are looked at a few at a time: at more than that none is forgotten.
@Suite("Among many sessions")
struct ManySessionsTests {
  private static let many = 300

  @Test("all that looked at a server alone end when it is taken away, and none else")
  func serverLeaves() throws {
    let (staying, leaving) = (BenchUpstream("a"), BenchUpstream("b"))
    let bench = try WorkerBench(staying, leaving, workers: 2)
    let clients = try (0..<Self.many).map { number in
      let client = bench.stranger(worker: number % 2)
      client.path = number % 100 == 0 ? "/mcp/a" : "/mcp/b"
      try client.open()
      return client
    }
    try bench.reload(staying)
    bench.advance(milliseconds: 1000)
    for client in clients {
      #expect(client.request("ping").status == (client.path == "/mcp/a" ? 200 : 404), "\(client.path)")
    }
  }

  @Test("all subscriptions to a server go over to what takes its place")
  func serverChanges() throws {
    let before = BenchUpstream("a", .newestLegacy, ["isolation": "session"])
    let bench = try WorkerBench(before, workers: 2)
    for number in 0..<Self.many {
      let client = try bench.client(worker: number % 2)
      #expect(client.request("resources/subscribe", ["uri": "test://a"]).result != .null)
    }
    let sessions = { (server: BenchUpstream) in
      Set(server.requests("resources/subscribe").compactMap { $0.session })
    }
    #expect(sessions(before).count == Self.many)
    let after = BenchUpstream("a", .newestLegacy, ["isolation": "session", "headers": ["X-Changed": "yes"]])
    try bench.reload(after)
    bench.advance(milliseconds: 2000)
    #expect(sessions(after).count == Self.many)
  }

  @Test("those that nobody uses are let go, however many that are in use were opened after them")
  func idle() throws {
    let server = BenchUpstream("a", .newestLegacy, ["isolation": "session"])
    let bench = try WorkerBench(server) { $0.sessions.idleTimeout = .seconds(2) }
    let idle = 10
    for _ in 0..<idle {
      #expect(try bench.client().request("resources/subscribe", ["uri": "test://a"]).result != .null)
    }
    let streams = try (0..<Self.many).map { _ in try bench.client().listen() }
    bench.advance(milliseconds: 4000)
    #expect(server.requests("DELETE").count == idle)
    #expect(!streams.contains { $0.isOver })
  }
}
