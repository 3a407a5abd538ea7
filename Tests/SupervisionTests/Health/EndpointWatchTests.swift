import Configuration
import MCP
import Testing

@testable import WorkerBench

@Suite("Endpoints that are watched")
struct EndpointWatchTests {
  private func replicas(
    _ server: BenchUpstream, _ number: Int = 3, _ algorithm: GatewayConfiguration.Routing.Algorithm = .roundRobin
  ) throws -> WorkerBench {
    try WorkerBench(server) {
      $0.servers[0].replicas = number
      $0.servers[0].routing.algorithm = algorithm
      $0.servers[0].era = server.era == .legacy ? .legacy : .modern
    }
  }

  /// What a process is asked first.
  private func first(_ kind: BenchUpstream.Kind) -> String {
    kind.revision.era == .legacy ? "initialize" : "server/discover"
  }

  @Test("are started before a call needs them, where they are processes", arguments: BenchUpstream.children)
  func startsAll(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try replicas(server)
    bench.advance(milliseconds: 1000)
    #expect(server.connectionCount == 3)
    let client = try bench.client()
    for _ in 0..<3 { client.call("a__echo") }
    let requests = try (0..<3).map { _ in try server.next() }
    #expect(Set(requests.map { ObjectIdentifier($0.connection) }).count == 3)
    for request in requests { request.answer(["content": []]) }
    #expect(bench.unfinished == [])
  }

  @Test(
    "have no call wait for one of them that has died and starts again, while others run",
    arguments: BenchUpstream.children, GatewayConfiguration.Routing.Algorithm.allCases)
  func death(_ kind: BenchUpstream.Kind, _ algorithm: GatewayConfiguration.Routing.Algorithm) throws {
    let server = BenchUpstream(kind)
    let bench = try replicas(server, 3, algorithm)
    bench.advance(milliseconds: 1000)
    // From now on a process takes its time to start.
    var starting: [BenchRequest] = []
    server.on(first(kind)) { starting.append($0) }
    let clients = try (0..<8).map { _ in try bench.client() }
    clients[0].call("a__echo")
    let last = try server.next()
    last.answer(["content": []])
    last.connection.reset()
    bench.settle()
    for _ in 0..<4 {
      for client in clients {
        let call = client.call("a__echo")
        try server.next().answer(["content": []])
        #expect(call.result["content"] == [])
      }
      bench.advance(milliseconds: 500)
    }
    #expect(!starting.isEmpty, "it is started without a call")
    server.on(first(kind), nil)
    for request in starting { request.connection.reset() }
    bench.advance(milliseconds: 15_000)
    #expect(server.connectionCount == 3 && bench.unfinished == [])
  }

  @Test("are waited for where all of them have died", arguments: BenchUpstream.children)
  func allDead(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try replicas(server)
    bench.advance(milliseconds: 3000)
    let client = try bench.client()
    server.crash()
    let call = client.call("a__echo")
    bench.advance(milliseconds: 1000)
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
    bench.advance(milliseconds: 15_000)
    #expect(server.connectionCount == 3 && bench.unfinished == [])
  }

  private func busy() throws -> (WorkerBench, [BenchUpstream]) {
    let one = BenchUpstream("a")
    let all = [one, BenchUpstream("b", endpointOf: one), BenchUpstream("c", endpointOf: one)]
    let bench = try WorkerBench(all[0], all[1], all[2]) {
      $0.servers[0].routing.algorithm = .roundRobin
      $0.servers[0].routing.healthCheckInterval = .seconds(1)
      $0.servers[0].routing.healthCheckTimeout = .milliseconds(500)
    }
    return (bench, all)
  }

  private func answerAll(_ all: [BenchUpstream]) -> Int {
    all.count { upstream in
      guard let request = try? upstream.next() else { return false }
      request.answer(["content": []])
      return true
    }
  }

  @Test("stay in use while they answer calls, however late their answers to checks are")
  func answersCalls() throws {
    let (bench, all) = try busy()
    for upstream in all { upstream.on("ping") { _ in } }
    for _ in 0..<40 {
      for client in try (0..<6).map({ _ in try bench.client() }) {
        let call = client.call("a__echo")
        #expect(answerAll(all) == 1 && call.result["content"] == [])
      }
      bench.advance(milliseconds: 200)
    }
    #expect(!bench.log.contains { $0.contains("does not answer health checks") }, "\(bench.log)")
    #expect(bench.unfinished == [])
  }

  @Test("get calls all the same where none of them answers checks in time")
  func noneAnswers() throws {
    let (bench, all) = try busy()
    let client = try bench.client()
    client.call("a__echo")
    #expect(answerAll(all) == 1)
    for upstream in all { upstream.on("ping") { _ in } }
    bench.advance(milliseconds: 20_000)
    #expect(bench.log.contains { $0.contains("does not answer health checks") }, "\(bench.log)")
    let call = client.call("a__echo")
    bench.advance(milliseconds: 100)
    #expect(answerAll(all) == 1 && call.result["content"] == [])
    #expect(bench.unfinished == [])
  }
}
