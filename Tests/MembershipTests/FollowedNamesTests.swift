import Configuration
import MCP
import Testing

@testable import WorkerBench

/// A server whose name leads to several addresses, with a resolver in the test's hand.
@Suite("A server whose addresses are its endpoints")
struct FollowedNamesTests {
  private let name: BenchUpstream
  private let pods: [BenchUpstream]
  private let names = BenchNames()
  private let kind: BenchUpstream.Kind

  init() {
    self.init(BenchUpstream.Kind(revision: .newestLegacy, transport: .http))
  }

  private init(_ kind: BenchUpstream.Kind) {
    self.kind = kind
    let name = BenchUpstream(kind)
    self.name = name
    pods = (1...4).map { BenchUpstream(at: "10.0.0.\($0)", like: name) }
    // Whoever connects by the name finds nobody.
    name.isAway = true
    lead(to: 1, 2, 3)
  }

  private func lead(to pods: Int...) { names["a.test"] = pods.map { "10.0.0.\($0)" } }

  private func bench(
    awaitsServers: Bool = true, _ change: (inout GatewayConfiguration.Server) -> Void = { _ in }
  ) throws -> WorkerBench {
    try WorkerBench(name, pods[0], pods[1], pods[2], pods[3], names: names, awaitsServers: awaitsServers) {
      $0.servers[0].resolve = .all
      change(&$0.servers[0])
    }
  }

  /// The endpoint that was sent the call, by its place, and the call.
  private func taken() throws -> (pod: Int, request: BenchRequest) {
    for pod in 0..<3 {
      if let request = try? pods[pod].next() { return (pod, request) }
    }
    return (3, try pods[3].next())
  }

  /// Calls once, answers, and says where that was.
  @discardableResult
  private func call(_ client: BenchClient) throws -> Int {
    let call = client.call("a__echo")
    let taken = try taken()
    taken.request.answer(["content": []])
    #expect(call.result["content"] == [] && call.responses.count == 1)
    return taken.pod
  }

  private func lookAgain(_ bench: WorkerBench) { bench.advance(milliseconds: 34_000) }

  @Test("is called at each of them, and a session at one")
  func spread() throws {
    let bench = try bench()
    var used: Set<Int> = []
    for _ in 0..<20 {
      let client = try bench.client()
      let pod = try call(client)
      #expect(try call(client) == pod)
      used.insert(pod)
    }
    #expect(used == [0, 1, 2] && name.connectionCount == 0 && name.requests.isEmpty)
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("is asked by its name wherever it is")
  func host() throws {
    let bench = try bench()
    let client = try bench.client()
    client.call("a__echo")
    let request = try taken().request
    #expect(request.headers["host"] == "a.test" && request.target == "/mcp")
    request.answer(["content": []])
  }

  @Test("gets another endpoint when its name comes to lead to one, and no more sessions move than have to")
  func joins() throws {
    let bench = try bench { $0.routing.outliers.slowStart = .zero }
    let clients = try (0..<40).map { _ in try bench.client() }
    let before = try clients.map(call)
    lead(to: 3, 4, 2, 1)
    lookAgain(bench)
    // Who has a conversation stays with it; who comes is where the ring says.
    #expect(try clients.map(call) == before)
    var used: Set<Int> = []
    for _ in 0..<40 { used.insert(try call(try bench.client())) }
    #expect(used == [0, 1, 2, 3])
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("has sessions of an address that is gone go on elsewhere, and those of the others stay")
  func leaves() throws {
    let bench = try bench()
    let clients = try (0..<30).map { _ in try bench.client() }
    let before = try clients.map(call)
    #expect(Set(before) == [0, 1, 2])
    lead(to: 1, 3)
    lookAgain(bench)
    let calls = pods[1].calls.count
    for (client, former) in zip(clients, before) {
      let now = try call(client)
      #expect(former == 1 ? now != 1 : now == former)
    }
    #expect(pods[1].calls.count == calls)
    // What was open there has been ended.
    bench.advance(milliseconds: 1000)
    #expect(pods[1].requests("DELETE").count >= before.count { $0 == 1 })
    #expect(pods[1].connectionCount == 0)
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("has a call that runs at an address that is gone end as it would")
  func inFlight() throws {
    let bench = try bench()
    let client = try bench.client()
    let running = client.call("a__echo")
    let at = try taken()
    let others = [0, 1, 2].filter { $0 != at.pod }
    lead(to: others[0] + 1, others[1] + 1)
    lookAgain(bench)
    // The same session goes on elsewhere meanwhile, and its former one is not ended yet.
    #expect(others.contains(try call(client)))
    let ended = { pods[at.pod].requests("DELETE").contains { $0.session == at.request.session } }
    #expect(!ended() && running.responses.isEmpty)
    at.request.answer(["content": [["type": "text", "text": "late"]]])
    #expect(running.result["content"].items.count == 1)
    bench.advance(milliseconds: 1000)
    #expect(ended() && pods[at.pod].connectionCount == 0)
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("does not fail while every one of its addresses is replaced", arguments: [1, 3])
  func rollout(attempts: Int) throws {
    let bench = try bench { $0.routing.retry.attempts = attempts }
    lead(to: 1, 2)
    lookAgain(bench)
    let clients = try (0..<10).map { _ in try bench.client() }
    for set in [[2, 3], [3, 4], [4, 1], [1, 2]] {
      for client in clients { try call(client) }
      names["a.test"] = set.map { "10.0.0.\($0)" }
      lookAgain(bench)
      for client in clients { #expect(set.contains(try call(client) + 1)) }
    }
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("keeps its endpoints when nobody can tell where its name leads, and the log says so once")
  func failure() throws {
    let bench = try bench()
    let client = try bench.client()
    let pod = try call(client)
    names["a.test"] = nil
    bench.advance(milliseconds: 120_000)
    #expect(try call(client) == pod)
    #expect(bench.log.count { $0.contains("a.test can't be looked up: nobody can tell") } == 1)
    lead(to: 1, 2, 3)
    lookAgain(bench)
    #expect(bench.log.count { $0.contains("a.test is found again") } == 1)
    #expect(try call(client) == pod)
  }

  @Test("comes when its name does")
  func unknown() throws {
    names["a.test"] = nil
    let bench = try bench(awaitsServers: false)
    bench.advance(milliseconds: 20_000)
    let client = try bench.client()
    lead(to: 2)
    bench.advance(milliseconds: 31_000)
    #expect(try call(client) == 1)
  }

  @Test("is looked up at once when an endpoint does not answer, and is where it says then")
  func urgent() throws {
    lead(to: 1)
    let bench = try bench()
    let client = try bench.client()
    #expect(try call(client) == 0)
    bench.advance(milliseconds: 2000)
    let count = names.count("a.test")
    pods[0].isAway = true
    pods[0].crash()
    lead(to: 2)
    let waiting = client.call("a__echo")
    bench.advance(milliseconds: 3000)
    #expect(names.count("a.test") > count)
    let taken = try taken()
    #expect(taken.pod == 1)
    taken.request.answer(["content": []])
    #expect(waiting.result["content"] == [])
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("is looked up with a reload")
  func reload() throws {
    let bench = try bench()
    lead(to: 4)
    try bench.reload(name) { $0.servers[0].resolve = .all }
    bench.advance(milliseconds: 1100)
    #expect(try call(try bench.client()) == 3)
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("has what a client has subscribed to told from where its conversation is by then")
  func subscriptions() throws {
    let bench = try bench()
    let client = try bench.client()
    let stream = client.listen()
    let pod = try call(client)
    #expect(client.request("resources/subscribe", ["uri": "test://a"]).result == [:])
    let others = [0, 1, 2].filter { $0 != pod }
    lead(to: others[0] + 1, others[1] + 1)
    lookAgain(bench)
    let at = try #require(others.first { !pods[$0].requests("resources/subscribe").isEmpty })
    pods[at].notify("notifications/resources/updated", ["uri": "test://a"])
    #expect(stream.messages.contains { $0["method"] == "notifications/resources/updated" })
    #expect(bench.leftovers() == [])
  }

  @Test("comes back at an address that had left")
  func back() throws {
    let bench = try bench()
    for _ in 0..<12 {
      lead(to: 1, 2)
      lookAgain(bench)
      lead(to: 2, 3)
      lookAgain(bench)
    }
    for _ in 0..<10 { #expect([1, 2].contains(try call(try bench.client()))) }
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }

  @Test("waits for its only address as for a server with one", arguments: BenchUpstream.kinds)
  func only(kind: BenchUpstream.Kind) throws {
    let test = FollowedNamesTests(kind)
    test.lead(to: 1)
    let bench = try test.bench()
    let client = try bench.client()
    #expect(try test.call(client) == 0)
    bench.advance(milliseconds: 2000)
    test.pods[0].isAway = true
    test.pods[0].crash()
    bench.advance(milliseconds: 100)
    let waiting = client.call("a__echo")
    bench.advance(milliseconds: 200)
    test.pods[0].isAway = false
    bench.advance(milliseconds: 1000)
    let taken = try test.taken()
    taken.request.answer(["content": []])
    #expect(waiting.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test("moves all that it has when its addresses do, whatever it speaks", arguments: BenchUpstream.kinds)
  func kinds(kind: BenchUpstream.Kind) throws {
    let test = FollowedNamesTests(kind)
    let bench = try test.bench()
    let clients = try (0..<6).map { _ in try bench.client() }
    for client in clients { #expect(try test.call(client) < 3) }
    test.lead(to: 4)
    test.lookAgain(bench)
    for client in clients { #expect(try test.call(client) == 3) }
    bench.advance(milliseconds: 2000)
    #expect(test.pods[..<3].allSatisfy { $0.connectionCount == 0 })
    #expect(bench.unfinished == [] && bench.leftovers() == [])
  }
}
