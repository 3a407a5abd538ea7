import Configuration
import MCP
import Testing

@testable import WorkerBench

/// What a server may do to a conversation that many calls share.
@Suite("A link")
struct LinkTests {
  @Test("does not heap up what waits for its WebSocket to open")
  func unopened() throws {
    let server = BenchUpstream("a", .newest, over: .webSocket, ["isolation": "principal"])
    let bench = try WorkerBench(server) { $0.limits.stdioBuffer = 64 << 10 }
    let client = try bench.client(.newest)
    let text = JSONValue.text(String(repeating: "x", count: 40 << 10))
    var calls: [BenchCall] = []
    bench.atOnce { calls = (0..<5).map { _ in client.call("a__echo", ["text": text]) } }
    #expect(calls.filter { $0.error["data"]["reason"] == "upstream_busy" }.count == 3)
    for _ in 0..<2 { try server.next().answer(["content": []]) }
    #expect(calls.filter { $0.result["content"] == [] }.count == 2)
    #expect(bench.unfinished == [])
  }

  @Test("of HTTP+SSE goes on to where its server has said first, whatever that says later")
  func endpoint() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .eventStream)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    let first = try server.next()
    first.answer(["content": []])
    first.connection.sendEvent("event: endpoint\ndata: /elsewhere\n\n")
    bench.settle()
    let call = client.call("a__echo")
    let request = try server.next()
    #expect(request.target == first.target)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test(
    "takes nothing for a call that is not on it: another server's, or one of a loop that there is not",
    arguments: [Revision.newestLegacy, .newest])
  func foreign(_ revision: Revision) throws {
    let server = BenchUpstream("a", revision, over: .webSocket)
    let other = BenchUpstream("b", revision, over: .webSocket)
    let bench = try WorkerBench(server, other)
    let client = try bench.client()
    let (call, theirs) = (client.call("a__echo", progress: "mine"), client.call("b__echo", progress: "theirs"))
    let (request, stranger) = (try server.next(), try other.next())
    for number: JSONValue in [request.id, request.progressToken, .number(Double(1 << 24 | 50 << 18))] {
      stranger.progress(0.5, token: number)
      stranger.notify(
        "notifications/subscriptions/acknowledged", ["_meta": ["io.modelcontextprotocol/subscriptionId": number]])
      stranger.send(["jsonrpc": "2.0", "id": number, "result": ["content": []]])
      stranger.send(["jsonrpc": "2.0", "id": number])
    }
    #expect(call.messages == [] && theirs.messages == [] && call.responses == [] && theirs.responses == [])
    request.progress(0.5)
    #expect(call.messages.map { $0["params"]["progressToken"] } == ["mine"])
    for answered in [request, stranger] { answered.answer(["content": []]) }
    #expect(call.result["content"] == [] && theirs.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test("of HTTP+SSE that its server has forgotten takes the calls that are on their way to their end, and closes then")
  func forgotten() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .eventStream)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let call = client.call("a__echo")
    let request = try server.next()
    server.on("POST") { post in
      server.on("POST", nil)
      post.refuse(404)
    }
    let other = client.call("a__echo")
    let later = try server.next()
    #expect(later.connection !== request.connection && !request.isGone)
    request.answer(["content": [["type": "text", "text": "late"]]])
    #expect(call.result["content"][0]["text"] == "late")
    #expect(request.isGone && !later.isGone)
    later.answer(["content": []])
    #expect(other.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test("does not take the id of a server's own message, which is too large to be kept, for that of a call")
  func overlong() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .stdio)
    let bench = try WorkerBench(server) { $0.limits.result = 64 << 10 }
    let call = try bench.client().call("a__echo")
    let request = try server.next()
    let text = String(repeating: "x", count: 200 << 10)
    request.sendRaw(
      #"{"jsonrpc":"2.0","method":"sampling/createMessage","params":{"text":"\#(text)"},"id":\#(request.id)}"# + "\n")
    #expect(call.responses == [])
    #expect(bench.log.contains { $0.contains("a sent a message of more than") })
    request.sendRaw(#"{"jsonrpc":"2.0","result":{"content":[],"text":"\#(text)"},"id":\#(request.id)}"# + "\n")
    #expect(call.error["data"]["reason"] == "result_too_large")
    #expect(bench.unfinished == [])
  }

  @Test(
    "that dies takes its calls with it, and the next call has another", arguments: ["session", "shared"],
    [BenchUpstream.Transport.eventStream, .webSocket, .stdio])
  func died(_ isolation: String, _ transport: BenchUpstream.Transport) throws {
    let server = BenchUpstream("a", .newestLegacy, over: transport, ["isolation": .text(isolation)])
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let lost = client.call("a__echo")
    try server.next().reset()
    #expect(lost.error["code"] == -32603)
    bench.advance(milliseconds: 3000)
    let call = client.call("a__echo")
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
    #expect(bench.unfinished == [])
  }
}
