import MCP
import Testing

@testable import WorkerBench

/// Arrays of messages, which revision 2025-03-26 has.
@Suite("Batches")
struct BatchTests {
  private func pings(_ count: Int) -> [JSONValue] {
    (1...count).map { ["jsonrpc": "2.0", "id": .number(Double($0)), "method": "ping"] }
  }

  @Test("A batch has as many messages as limits.batch says, and not one more", arguments: [1, 3, 100])
  func limit(_ most: Int) throws {
    let bench = try WorkerBench(BenchUpstream()) { $0.limits.batch = most }
    let client = try bench.client(.r20250326)
    let full = client.batch(pings(most))
    #expect(full.status == 200 && full.isOver)
    #expect(full.messages.count == most)
    let beyond = client.batch(pings(most + 1))
    #expect(beyond.status == 400)
    #expect(beyond.error["code"] == -32600)
    #expect(bench.unfinished == [])
  }

  @Test("The answers of a batch come together, once the last one is there")
  func answers() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.r20250326)
    func call(_ id: JSONValue) -> JSONValue {
      ["jsonrpc": "2.0", "id": id, "method": "tools/call", "params": ["name": "a__echo", "arguments": ["of": id]]]
    }
    let batch = client.batch([call("one"), call("two"), ["jsonrpc": "2.0", "method": "notifications/initialized"]])
    let (one, two) = (try server.next(), try server.next())
    two.answer(["content": [], "of": two.params["arguments"]["of"]])
    #expect(batch.status == 0)
    one.answer(["content": [], "of": one.params["arguments"]["of"]])
    #expect(batch.isOver)
    #expect(Set(batch.messages.compactMap { $0["id"].string }) == ["one", "two"])
    for answer in batch.messages { #expect(answer["result"]["of"] == answer["id"]) }
    #expect(bench.unfinished == [])
  }

  @Test("Revisions without batches refuse them", arguments: [Revision.r20250618, .r20251125])
  func none(_ revision: Revision) throws {
    let bench = try WorkerBench(BenchUpstream())
    let refused = try bench.client(revision).batch(pings(2))
    #expect(refused.status == 400)
    #expect(refused.error["code"] == -32600)
  }
}
