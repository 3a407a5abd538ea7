import MCP
import Testing

@testable import WorkerBench

@Suite("The bench")
struct BenchTests {
  static let upstreams = [Revision.r20251125, .r20260728].flatMap { revision in
    BenchUpstream.Transport.allCases.filter { $0 != .eventStream || revision.era == .legacy }.map { (revision, $0) }
  }
  static let clients = Revision.allCases.flatMap { revision in
    BenchClient.Transport.allCases.filter { $0 != .eventStream || revision == .r20241105 }.map { (revision, $0) }
  }

  @Test("A call goes through and nothing is left", arguments: upstreams, clients)
  func calls(
    _ server: (Revision, BenchUpstream.Transport), _ client: (Revision, BenchClient.Transport)
  ) throws {
    let upstream = BenchUpstream("a", server.0, over: server.1)
    let bench = try WorkerBench(upstream)
    let call = try bench.client(client.0, over: client.1).call("a__echo", ["text": "hello"])
    let request = try upstream.next()
    #expect(request.params["arguments"] == ["text": "hello"])
    request.answer(["content": [["type": "text", "text": "hello"]]])
    #expect(call.result["content"] == [["type": "text", "text": "hello"]])
    #expect(bench.unfinished == [])
    #expect(bench.leftovers() == [])
    #expect(upstream.problems == [])
  }
}
