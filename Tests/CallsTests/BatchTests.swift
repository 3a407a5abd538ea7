import Configuration
import MCP
import Testing

@testable import Calls
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

  @Test(
    "Each message of a batch is begun or refused by itself, over HTTP and over a WebSocket", arguments: [false, true])
  func admission(overSocket: Bool) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.r20250326, over: overSocket ? .webSocket : .http)
    var asked: [Arrival.Kind] = []
    for calls in bench.gateway.calls {
      calls.messages.judge = { arrival in
        #expect(arrival.transport == (overSocket ? .webSocket : .streamableHTTP) && arrival.session != nil)
        asked.append(arrival.kind)
        guard case .request = arrival.kind else { return .refuse(.overloaded) }
        return asked.count > 2 ? .refuse(.overloaded) : .admit
      }
    }
    let batch = client.batch([call("one"), ["jsonrpc": "2.0", "method": "notifications/own"], call("two")])
    try server.next().answer(["content": [], "of": "one"])
    let answers = overSocket ? client.heard : batch.messages
    #expect(answers.count == 2)
    #expect(answers.first { $0["id"] == "one" }?["result"]["of"] == "one")
    #expect(answers.first { $0["id"] == "two" }?["error"]["data"]["reason"] == "overloaded")
    #expect(asked == [.request(.toolsCall), .notification, .request(.toolsCall)])
    #expect(server.calls.count == 1 && server.requests("notifications/own").isEmpty)
    #expect(bench.unfinished == [])
  }

  private func call(_ id: JSONValue, token: JSONValue = .null) -> JSONValue {
    var params: JSONValue = ["name": "a__echo", "arguments": ["of": id]]
    if token != .null { params["_meta"] = ["progressToken": token] }
    return ["jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params]
  }

  @Test("The answers of a batch together are no larger than one may be: the one that is too much is an error")
  func size() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server) { $0.limits.result = 64 << 10 }
    let client = try bench.client(.r20250326)
    let batch = client.batch([call("one"), call("two"), call("three")])
    let text = JSONValue.text(String(repeating: "z", count: 40 << 10))
    var order: [String] = []
    for size in [text, text, "small"] as [JSONValue] {
      let request = try server.next()
      order.append(request.params["arguments"]["of"].string ?? "")
      request.answer(["content": [["type": "text", "text": size]]])
    }
    let answers = Dictionary(uniqueKeysWithValues: batch.messages.map { ($0["id"].string ?? "", $0) })
    #expect(answers[order[0]]?["result"]["content"][0]["text"] == text)
    #expect(answers[order[1]]?["error"]["data"]["reason"] == "result_too_large")
    #expect(answers[order[2]]?["result"]["content"][0]["text"] == "small")
    #expect(bench.unfinished == [])
  }

  @Test("A batch becomes a stream with the first that comes before its answers, and loses none that were there")
  func stream() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.r20250326)
    let batch = client.batch([call("one"), call("two", token: 7)])
    // They may come in any order.
    let requests = [try server.next(), try server.next()]
    let one = try #require(requests.first { $0.params["arguments"]["of"] == "one" })
    let two = try #require(requests.first { $0.params["arguments"]["of"] == "two" })
    one.answer(["content": [], "of": "one"])
    #expect(batch.status == 0)
    two.progress(0.5)
    #expect(batch.isStream && batch.messages.map { $0["result"]["of"] } == ["one", nil])
    #expect(batch.messages.last?["params"]["progressToken"] == 7)
    two.answer(["content": [], "of": "two"])
    #expect(batch.messages.map { $0["id"] } == ["one", nil, "two"])
    #expect(batch.isOver && !batch.isBroken)
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
