import Configuration
import MCP
import Testing

@testable import WorkerBench

@Suite("How calls at the endpoints of a server end")
struct EndpointReportsTests {
  /// Calls, of which each third fails at one of the two endpoints: too few in a row, and too few in all, for its circuit
  /// breaker.
  private func call(_ client: BenchClient, _ one: BenchUpstream, _ other: BenchUpstream, times: Int) throws {
    var failing = 0
    for _ in 0..<times {
      let call = client.call("a__echo")
      if let request = try? one.next() {
        request.answer(["content": []])
      } else {
        failing += 1
        try other.next().answer(["content": []], unless: failing % 3 == 0)
      }
      #expect(call.responses.count == 1)
    }
  }

  private func bench(_ one: BenchUpstream, _ other: BenchUpstream) throws -> WorkerBench {
    try WorkerBench(one, other) {
      $0.servers[0].routing.algorithm = .roundRobin
      $0.servers[0].routing.retry.attempts = 1
    }
  }

  @Test func aThirdOfFailuresTakesAnEndpointOutWhereTheOthersHaveNone() throws {
    let one = BenchUpstream("a", .newest)
    let other = BenchUpstream("a2", endpointOf: one)
    let bench = try bench(one, other)
    let client = try bench.client(.newest)
    for _ in 0..<11 {
      try call(client, one, other, times: 8)
      bench.advance(milliseconds: 1000)
    }
    #expect(bench.log.contains { $0.contains("http://a2.test/mcp does worse than the others") })
    #expect(!bench.log.contains { $0.contains("its calls fail") })
    let before = other.calls.count
    try call(client, one, other, times: 8)
    #expect(other.calls.count == before)
    #expect(bench.unfinished == [])
  }

  @Test func endpointsOfWhichNoneDoesWorseStayIn() throws {
    let one = BenchUpstream("a", .newest)
    let other = BenchUpstream("a2", endpointOf: one)
    let bench = try bench(one, other)
    let client = try bench.client(.newest)
    for _ in 0..<11 {
      for _ in 0..<8 {
        let call = client.call("a__echo")
        let request = try (try? one.next()) ?? other.next()
        request.answer(["content": []])
        #expect(call.error == .null)
      }
      bench.advance(milliseconds: 1000)
    }
    #expect(!bench.log.contains { $0.contains("does worse") })
  }
}

extension BenchRequest {
  fileprivate func answer(_ result: JSONValue, unless fails: Bool) {
    if fails { fail(-32603, "it broke") } else { answer(result) }
  }
}
