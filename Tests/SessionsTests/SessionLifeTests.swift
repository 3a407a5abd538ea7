import Configuration
import Testing

@testable import WorkerBench

@Suite("The life of a session")
struct SessionLifeTests {
  @Test("A session that nobody uses for idle_timeout is let go, with its conversation; its client need not know")
  func idle() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.sessions.idleTimeout = .seconds(10) }
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    for _ in 0..<4 {
      bench.advance(milliseconds: 8000)
      #expect(client.request("ping").result == [:])
    }
    #expect(server.requests("DELETE").isEmpty)
    bench.advance(milliseconds: 25_000)
    #expect(server.requests("DELETE").count == 1)
    #expect(client.request("ping").result == [:])
  }

  @Test("A session with a call on its way is in use, however long that takes")
  func busy() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) {
      $0.sessions.idleTimeout = .seconds(5)
      $0.callTimeout = .seconds(60)
    }
    let client = try bench.client()
    let call = client.call("a__echo")
    bench.advance(milliseconds: 30_000)
    #expect(server.requests("DELETE").isEmpty)
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test("A session that somebody listens to is in use")
  func listened() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.sessions.idleTimeout = .seconds(5) }
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let stream = client.listen()
    bench.advance(milliseconds: 30_000)
    #expect(!stream.isOver)
    #expect(server.requests("DELETE").isEmpty)
  }

  @Test("More sessions than sessions.max are refused with 503 and a time to come back")
  func full() throws {
    let bench = try WorkerBench(BenchUpstream()) {
      $0.sessions.maximum = 1
      $0.sessions.perClient = 1
    }
    let client = try bench.client()
    #expect(client.request("ping").result == [:])
    let refused = bench.stranger().initialize()
    #expect(refused.status == 503)
    #expect(refused.headers["retry-after"] == "10")
    #expect(refused.error != .null)
  }

  @Test("A gateway that ends refuses new sessions with 503 and a time to come back")
  func draining() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let busy = try bench.client()
    let call = busy.call("a__echo")
    let late = bench.stranger()
    bench.drain()
    let refused = late.initialize()
    #expect(refused.status == 503)
    #expect(refused.headers["retry-after"] == "1")
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test("DELETE ends a session, and its conversation with the server")
  func deleted() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    let request = try server.next()
    request.answer(["content": []])
    client.endSession()
    #expect(client.request("ping").status == 404)
    #expect(server.requests("DELETE").contains { $0.session == request.session })
    #expect(bench.leftovers() == [])
  }

  @Test("A session that ends on one worker takes its calls on another with it, and its servers are told")
  func elsewhere() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server, workers: 3)
    let client = try bench.client(worker: 0)
    let call = client.call("a__echo")
    let request = try server.next()
    client.move(to: 2)
    #expect(client.endSession().status == 200)
    #expect(call.error["message"].string?.contains("the session has ended") == true)
    #expect(!server.requests("DELETE").isEmpty)
    request.answer(["content": []])
    #expect(client.request("ping").status == 404)
  }
}
