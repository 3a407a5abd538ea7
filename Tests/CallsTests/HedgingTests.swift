import MCP
import Testing

@testable import WorkerBench

@Suite("A read that takes unusually long")
struct HedgingTests {
  private let one = BenchUpstream("a", .newest)
  private let other: BenchUpstream

  init() { other = BenchUpstream("a2", endpointOf: one) }

  private func bench(hedges: Bool = true) throws -> WorkerBench {
    one.tools[0]["annotations"] = ["readOnlyHint": true]
    return try WorkerBench(one, other) {
      $0.servers[0].trustHints = true
      $0.servers[0].routing.algorithm = .roundRobin
      $0.servers[0].routing.retry.hedgeReads = hedges
    }
  }

  private func read(_ client: BenchClient) -> BenchCall { client.request("resources/read", ["uri": "test://a"]) }

  /// The read that one of the two was sent.
  private func next() throws -> BenchRequest {
    if let request = try? one.next("resources/read") { return request }
    return try other.next("resources/read")
  }

  /// Reads, each answered after 20 ms, until it is known how long they take.
  private func learn(_ bench: WorkerBench, _ client: BenchClient) throws {
    for _ in 0..<44 {
      let call = read(client)
      let request = try next()
      bench.advance(milliseconds: 20)
      request.answer(["contents": []])
      #expect(call.result["contents"] == [])
    }
  }

  private var reads: Int { one.requests("resources/read").count + other.requests("resources/read").count }

  @Test("is put to a second endpoint too, and the first answer is the client's", arguments: [true, false])
  func goesToASecondEndpoint(secondWins: Bool) throws {
    let bench = try bench()
    let client = try bench.client(.newest)
    try learn(bench, client)
    let call = read(client)
    let first = try next()
    bench.advance(milliseconds: 60)
    let second = try next()
    #expect(first.upstream !== second.upstream)
    #expect(first.params["uri"] == second.params["uri"] && first.id != second.id)
    #expect(second.headers["mcp-method"] == "resources/read")
    let (winner, loser) = secondWins ? (second, first) : (first, second)
    winner.answer(["contents": [["uri": "test://a", "text": "won"]]])
    #expect(call.result["contents"][0]["text"] == "won")
    #expect(call.responses.count == 1)
    #expect(loser.isWithdrawn)
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
  }

  @Test("is answered by the other where one of the two fails", arguments: [true, false])
  func theOtherGoesOn(secondFails: Bool) throws {
    let bench = try bench()
    let client = try bench.client(.newest)
    try learn(bench, client)
    let call = read(client)
    let first = try next()
    bench.advance(milliseconds: 60)
    let second = try next()
    let (failing, lasting) = secondFails ? (second, first) : (first, second)
    failing.reset()
    #expect(call.responses.isEmpty && reads == 46)
    lasting.answer(["contents": []])
    #expect(call.result["contents"] == [])
    #expect(bench.unfinished == [])
  }

  @Test func bothAreCancelledWithTheCall() throws {
    let bench = try bench()
    let client = try bench.client(.newest)
    try learn(bench, client)
    let call = read(client)
    let first = try next()
    bench.advance(milliseconds: 60)
    let second = try next()
    client.cancel(call)
    bench.advance(milliseconds: 20)
    #expect(first.isWithdrawn && second.isWithdrawn)
    #expect(bench.unfinished == [])
  }

  @Test func goesToOneAloneWhereThatIsNotConfigured() throws {
    let bench = try bench(hedges: false)
    let client = try bench.client(.newest)
    try learn(bench, client)
    let call = read(client)
    let first = try next()
    bench.advance(milliseconds: 900)
    #expect(reads == 45)
    first.answer(["contents": []])
    #expect(call.result["contents"] == [])
  }

  @Test func toolsAreNotCalledTwiceWhateverTheySayOfThemselves() throws {
    let bench = try bench()
    let client = try bench.client(.newest)
    try learn(bench, client)
    let call = client.call("a__echo")
    bench.advance(milliseconds: 900)
    #expect(one.calls.count + other.calls.count == 1)
    let request = try (try? one.next()) ?? other.next()
    request.answer(["content": []])
    #expect(call.result["content"] == [])
  }
}
