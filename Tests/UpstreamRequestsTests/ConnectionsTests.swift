import Configuration
import MCP
import Testing

@testable import WorkerBench

/// The pool of connections to a server, as clients and the server see it.
@Suite("Connections to a server")
struct ConnectionsTests {
  /// A gateway in front of one server.
  private func bench(
    _ server: BenchUpstream, workers: Int = 1, size: Int = 1, overflow: Int = 0,
    _ change: (inout GatewayConfiguration.Pool) -> Void = { _ in }
  ) throws -> WorkerBench {
    try WorkerBench(server, workers: workers) { configuration in
      for place in configuration.servers.indices {
        configuration.servers[place].pool.size = size
        configuration.servers[place].pool.overflow = overflow
        change(&configuration.servers[place].pool)
      }
    }
  }

  /// Beside what the gateway itself listens to.
  private func connections(_ server: BenchUpstream) -> Int { server.connectionCount - 1 }

  /// How many connections carried these.
  private func used(_ requests: some Sequence<BenchRequest>) -> Int {
    Set(requests.map { ObjectIdentifier($0.connection) }).count
  }

  @Test func callsWaitForAConnectionAndAreServedInTheirOrder() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server)
    let client = try bench.client(.newest)
    let calls = (0..<4).map { client.call("a__echo", ["number": .number(Double($0))]) }
    for (number, call) in calls.enumerated() {
      #expect(server.calls.count == number + 1)
      let request = try server.next()
      #expect(request.params["arguments"]["number"] == .number(Double(number)))
      request.answer(["content": []])
      #expect(call.result["content"] == [])
    }
    #expect(connections(server) == 1)
    #expect(bench.unfinished == [])
  }

  @Test func aConnectionThatWasNotReadForASlowClientServesTheNextCall() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server)
    let client = try bench.client(.newest)
    let slow = client.call("a__echo", progress: "p")
    let request = try server.next()
    let peer = try #require(slow.connection).peer
    peer.stall(true)
    request.sendRaw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    func send(_ messages: JSONValue...) {
      let events = messages.map { "data: \($0)\n\n" }.joined()
      request.sendRaw("\(String(events.utf8.count, radix: 16))\r\n\(events)\r\n")
    }
    func progress(_ number: JSONValue, size: Int) -> JSONValue {
      let text = JSONValue.text(String(repeating: "y", count: size))
      let params: JSONValue = ["progressToken": request.progressToken, "progress": number, "message": text]
      return ["jsonrpc": "2.0", "method": "notifications/progress", "params": params]
    }
    // What is more than may wait for the client comes together with the response.
    send(progress(1, size: 60 << 10))
    send(
      progress(2, size: 16 << 10),
      ["jsonrpc": "2.0", "id": request.id, "result": ["resultType": "complete", "content": []]])
    request.sendRaw("0\r\n\r\n")
    peer.stall(false)
    bench.settle()
    #expect(slow.result["content"] == [])
    let next = client.call("a__echo")
    try server.next().answer(["content": []])
    #expect(next.result["content"] == [])
    #expect(used(server.calls) == 1)
    #expect(bench.unfinished == [])
  }

  @Test(arguments: [Revision.newest, .newestLegacy])
  func aCallThatWaitsForTooLongIsToldSo(_ revision: Revision) throws {
    let server = BenchUpstream("a", revision)
    let bench = try bench(server) { $0.checkoutTimeout = .seconds(2) }
    let client = try bench.client(revision)
    let first = client.call("a__echo")
    let second = client.call("a__echo")
    bench.advance(milliseconds: 1900)
    #expect(second.response == .null)
    bench.advance(milliseconds: 300)
    #expect(second.error["code"] == -32603)
    #expect(second.error["data"]["reason"] == "pool_timeout")
    #expect(second.error["data"]["retry_after_ms"] == 1000)
    #expect(second.error["message"] == #"server "a" had no free connection within 2000 ms: all 1 were in use"#)
    #expect(server.calls.count == 1)
    try server.next().answer(["content": []])
    #expect(first.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test func aCallThatIsCancelledWaitsNoLongerAndTheServerHearsNothingOfIt() throws {
    let server = BenchUpstream()
    let bench = try bench(server)
    let client = try bench.client()
    client.call("a__echo")
    let withdrawn = client.call("a__echo", ["text": "withdrawn"])
    let last = client.call("a__echo", ["text": "last"])
    client.cancel(withdrawn)
    try server.next().answer(["content": []])
    let request = try server.next()
    #expect(request.params["arguments"]["text"] == "last")
    request.answer(["content": []])
    #expect(last.result["content"] == [])
    #expect(server.cancelled.isEmpty && server.calls.count == 2)
    #expect(bench.unfinished == [])
  }

  @Test func aConnectionThatBreaksMakesRoomForTheNext() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server)
    let client = try bench.client(.newest)
    let calls = (0..<3).map { _ in client.call("a__echo") }
    try server.next().reset()
    #expect(calls[0].error["data"]["reason"] == "upstream_closed")
    try server.next().hangUp()
    #expect(calls[1].error["data"]["reason"] == "upstream_closed")
    try server.next().answer(["content": []])
    #expect(calls[2].result["content"] == [])
    #expect(connections(server) == 1)
  }

  @Test func whereNoConnectionCanBeHadNobodyIsLeftWaiting() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, size: 2)
    let client = try bench.client(.newest)
    server.refusesConnections = true
    server.crash()
    var calls: [BenchCall] = []
    bench.atOnce { calls = (0..<6).map { _ in client.call("a__echo") } }
    bench.advance(milliseconds: 500)
    #expect(calls.allSatisfy { $0.error["code"] == -32603 })
    #expect(bench.unfinished == [])
  }

  @Test func connectionsBeyondTheSizeAreClosedSoonAfterUse() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, size: 2, overflow: 2)
    let client = try bench.client(.newest)
    for _ in 0..<5 { client.call("a__echo") }
    #expect(server.calls.count == 4 && connections(server) == 4)
    for _ in 0..<5 { try server.next().answer(["content": []]) }
    bench.advance(milliseconds: 400)
    #expect(connections(server) == 2)
  }

  @Test func theGatewaysOwnRequestsDoNotWait() throws {
    let server = BenchUpstream()
    let bench = try bench(server)
    let first = try bench.client()
    first.call("a__echo")
    // It has a session of its own, which is opened beside the one connection that there is.
    let second = try bench.client()
    let call = second.call("a__echo")
    #expect(server.requests("initialize").count >= 2)
    #expect(server.calls.count == 1)
    try server.next().answer(["content": []])
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test(arguments: [1, 2, 3, 4])
  func allWorkersTogetherHaveNoMoreThanThereMayBe(_ workers: Int) throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, workers: workers, size: 2, overflow: 1)
    let clients = try (0..<workers).map { try bench.client(.newest, worker: $0) }
    let calls = clients.flatMap { client in (0..<5).map { _ in client.call("a__echo") } }
    for served in 0..<calls.count {
      #expect(connections(server) <= 3)
      #expect(server.calls.count == min(calls.count, served + 3))
      try server.next().answer(["content": []])
    }
    #expect(calls.allSatisfy { $0.result["content"] == [] })
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
  }

  @Test func anIdleConnectionOfAnotherWorkerIsGivenUp() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, workers: 2)
    let first = try bench.client(.newest, worker: 0)
    let second = try bench.client(.newest, worker: 1)
    for client in [first, second, first] {
      let call = client.call("a__echo")
      try server.next().answer(["content": []])
      #expect(call.result["content"] == [])
      #expect(connections(server) == 1)
    }
  }

  @Test func callsOfWorkersTakeTurnsForTheOnlyConnection() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, workers: 3)
    let clients = try (0..<3).map { try bench.client(.newest, worker: $0) }
    for round in 0..<3 {
      for (number, client) in clients.enumerated() {
        client.call("a__echo", ["who": .number(Double(3 * round + number))])
        bench.advance(milliseconds: 5)
      }
    }
    for number in 0..<9 {
      let request = try server.next()
      #expect(request.params["arguments"]["who"] == .number(Double(number)))
      request.answer(["content": []])
    }
  }

  @Test func whatIsIdleForLongIsClosed() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, size: 5) { $0.idleTimeout = .seconds(6) }
    let client = try bench.client(.newest)
    for _ in 0..<3 { client.call("a__echo") }
    for _ in 0..<3 { try server.next().answer(["content": []]) }
    bench.advance(milliseconds: 4000)
    #expect(connections(server) >= 3)
    bench.advance(milliseconds: 30_000)
    // The gateway's own requests may have used one.
    #expect(connections(server) <= 1)
  }

  @Test func someAreHeldReadyByEachWorkerBeforeAnybodyCalls() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, workers: 2, size: 5) {
      $0.minimumIdle = 3
      $0.idleTimeout = .seconds(20)
    }
    #expect(connections(server) >= 3)
    bench.advance(milliseconds: 60_000)
    let before = connections(server)
    // The gateway's own requests may have one more.
    #expect((3...4).contains(before))
    let calls = try (0..<2).map { try bench.client(.newest, worker: $0).call("a__echo") }
    #expect(connections(server) == before, "they were there")
    for _ in calls { try server.next().answer(["content": []]) }
  }

  @Test func oneThatIsOldIsNotUsedAnyMore() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, size: 1) { $0.maximumAge = .seconds(10) }
    let client = try bench.client(.newest)
    for _ in 0..<30 {
      client.call("a__echo")
      try server.next().answer(["content": []])
      bench.advance(milliseconds: 1000)
    }
    #expect((3...5).contains(used(server.calls)))
  }

  @Test(arguments: [(GatewayConfiguration.Pool.Strategy.fifo, 3), (.lifo, 1)])
  func idleConnectionsAreUsedInTurnOrTheLastAgain(_ strategy: GatewayConfiguration.Pool.Strategy, _ used: Int) throws {
    let server = BenchUpstream("a", .newest)
    let bench = try bench(server, size: 3) { $0.strategy = strategy }
    let client = try bench.client(.newest)
    for _ in 0..<3 { client.call("a__echo") }
    for _ in 0..<3 { try server.next().answer(["content": []]) }
    for _ in 0..<6 {
      client.call("a__echo")
      try server.next().answer(["content": []])
    }
    #expect(self.used(server.calls.dropFirst(3)) == used)
  }
}
