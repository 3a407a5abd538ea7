import Testing

@testable import WorkerBench

@Suite("Every client with every server")
struct PassingTests {
  @Test("A call goes through, and nothing is left", arguments: BenchUpstream.kinds, BenchClient.kinds)
  func calls(_ server: BenchUpstream.Kind, _ client: BenchClient.Kind) throws {
    let upstream = BenchUpstream(server)
    let bench = try WorkerBench(upstream)
    let call = try bench.client(client).call("a__echo", ["text": "hello"])
    let request = try upstream.next()
    #expect(request.params["arguments"] == ["text": "hello"])
    request.answer(["content": [["type": "text", "text": "hello"]]])
    #expect(call.result["content"] == [["type": "text", "text": "hello"]])
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
    #expect(upstream.problems == [])
  }
}
