import Configuration
import MCP
import Testing

@testable import WorkerBench

/// What a session's id is good for, and what its streams are, at the endpoints of clients.
@Suite("The endpoint of a session")
struct SessionEndpointTests {
  private func ping(_ bench: WorkerBench, as session: String, at path: String) -> Int {
    let stranger = bench.stranger()
    stranger.path = path
    return stranger.request("ping", headers: ["Mcp-Session-Id: \(session)"]).status
  }

  @Test("An id names its session where that was opened, and nowhere else")
  func view() throws {
    let bench = try WorkerBench(BenchUpstream())
    let token = try #require(try bench.client().token)
    #expect(ping(bench, as: token, at: "/mcp") == 200)
    #expect(ping(bench, as: token, at: "/mcp/a") == 404)
    #expect(ping(bench, as: String(token.dropLast()) + "-", at: "/mcp") == 404)
  }

  @Test("The id of a session of HTTP+SSE is none of Streamable HTTP, while it lives and afterwards")
  func bound() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.r20241105, over: .eventStream)
    client.call("a__echo")
    try server.next().answer(["content": []])
    let token = try #require(client.messagesPath?.split(separator: "=").last.map(String.init))
    #expect(ping(bench, as: token, at: "/mcp") == 404)
    client.vanish()
    // It ends with its stream, and so does its conversation with the server.
    bench.advance(milliseconds: 200)
    #expect(server.requests("DELETE").count == 1)
    #expect(ping(bench, as: token, at: "/mcp") == 404)
  }

  @Test("A second initialize opens another session, and ends the first")
  func second() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let answer = client.initialize()
    let next = try #require(answer.headers["mcp-session-id"])
    #expect(next != client.token)
    #expect(client.request("ping").status == 404)
    #expect(ping(bench, as: next, at: "/mcp") == 200)
    #expect(server.requests("DELETE").count == 1)
  }

  @Test("A session has limits.streams_per_session streams at once, and another once one is gone")
  func streams() throws {
    let bench = try WorkerBench(BenchUpstream()) { $0.limits.streamsPerSession = 2 }
    let client = try bench.client()
    let streams = (0..<3).map { _ in client.listen() }
    #expect(streams.map(\.status) == [200, 200, 409])
    streams[0].vanish()
    #expect(client.listen().status == 200)
    #expect(client.listen().status == 409)
  }

  @Test("Who takes up a stream that somebody reads takes it over")
  func replaced() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let first = client.listen()
    client.call("a__echo")
    try server.next().answer(["content": []])
    server.notify("notifications/message", ["level": "error", "data": "one"])
    let last = try #require(first.eventIDs.last)
    let second = client.listen(after: last)
    #expect(second.status == 200 && first.isOver)
    server.notify("notifications/message", ["level": "error", "data": "two"])
    #expect(second.messages.map { $0["params"]["data"] } == ["two"])
    #expect(first.messages.map { $0["params"]["data"] } == ["one"])
  }

  @Test("A session that was only opened makes room for another after a while, one that was used does not")
  func room() throws {
    let bench = try WorkerBench(BenchUpstream()) {
      $0.sessions.maximum = 1
      $0.sessions.perClient = 1
    }
    bench.advance(milliseconds: 6000)
    let first = try bench.client()
    #expect(bench.stranger().initialize().status == 503)
    bench.advance(milliseconds: 6000)
    let second = try bench.client()
    second.listen()
    #expect(first.request("ping").status == 503, "there is no room for it any more")
    bench.advance(milliseconds: 6000)
    #expect(bench.stranger().initialize().status == 503)
    second.endSession()
    #expect(first.request("ping").result == [:])
  }

  @Test("A session is in use until its last stream is gone, and for idle_timeout from then on")
  func idle() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.sessions.idleTimeout = .seconds(10) }
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let stream = client.listen()
    bench.advance(milliseconds: 30_000)
    stream.vanish()
    bench.advance(milliseconds: 8000)
    #expect(server.requests("DELETE").isEmpty)
    bench.advance(milliseconds: 8000)
    #expect(server.requests("DELETE").count == 1)
  }

  @Test("Who comes back with the id of a session that is gone is told to look again, once")
  func anew() throws {
    let bench = try WorkerBench(BenchUpstream()) { $0.sessions.idleTimeout = .seconds(5) }
    let client = try bench.client()
    func changes(_ stream: BenchCall) -> Int {
      stream.messages.count { $0["method"] == "notifications/tools/list_changed" }
    }
    let first = client.listen()
    #expect(changes(first) == 0)
    first.vanish()
    bench.advance(milliseconds: 20_000)
    let second = client.listen()
    #expect(changes(second) == 1)
    second.vanish()
    #expect(changes(client.listen()) == 0)
  }

  @Test("Sessions that idle end however many there are")
  func many() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.sessions.idleTimeout = .seconds(5) }
    for _ in 0..<300 {
      let client = try bench.client()
      client.call("a__echo")
      try server.next().answer(["content": []])
    }
    bench.advance(milliseconds: 20_000)
    #expect(server.requests("DELETE").count == 300)
  }
}
