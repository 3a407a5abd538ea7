import MCP
import Testing

@testable import WorkerBench

/// A server may answer where it likes, but what it answers goes to the call that it answers, and to no other.
@Suite("Whose a response is")
struct WhoseResponseTests {
  private func response(_ id: JSONValue, _ text: String) -> JSONValue {
    [
      "jsonrpc": "2.0", "id": id,
      "result": ["resultType": "complete", "content": [["type": "text", "text": .text(text)]]],
    ]
  }

  @Test("The response to another request, or to none, answers no call", arguments: [Revision.newestLegacy, .newest])
  func another(_ revision: Revision) throws {
    let server = BenchUpstream("a", revision)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let (first, second) = (client.call("a__echo"), client.call("a__echo"))
    let (one, two) = (try server.next(), try server.next())
    for id in [two.id, 4711, .text(one.id.description)] { one.send(response(id, "not this one's")) }
    #expect(first.responses == [] && second.responses == [])
    one.send(response(one.id, "first"))
    one.endStream()
    two.answer(["content": [["type": "text", "text": "second"]]])
    #expect(first.result["content"][0]["text"] == "first" && second.result["content"][0]["text"] == "second")
    #expect(bench.unfinished == [])
  }

  @Test("An answer of JSON that is not the response fails its call")
  func json() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let call = try bench.client().call("a__echo")
    let request = try server.next()
    request.connection.reply(200, response(4711, "nobody's"))
    bench.settle()
    #expect(call.error["data"]["reason"] == "upstream_invalid")
    #expect(bench.unfinished == [])
  }

  @Test("A response on the stream of its own session is one, on that of another session it is not")
  func beside() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let (client, other) = (try bench.client(), try bench.client())
    other.call("a__echo")
    let foreign = try server.next()
    let call = client.call("a__echo")
    let request = try server.next()
    let streams = server.requests("GET")
    let its = try #require(streams.last { $0.session == request.session })
    let others = try #require(streams.last { $0.session == foreign.session })
    #expect(request.session != foreign.session)
    others.connection.send(response(request.id, "forged"))
    bench.settle()
    #expect(call.responses == [])
    its.connection.send(response(request.id, "own"))
    bench.settle()
    #expect(call.result["content"][0]["text"] == "own")
  }

  @Test(
    "What a server of HTTP+SSE answers to the POST itself decides whether a response will come",
    arguments: [400, 404, 500])
  func refusedPost(_ status: Int) throws {
    let server = BenchUpstream("a", .newestLegacy, over: .eventStream)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    server.on("POST") { request in
      server.on("POST", nil)
      request.refuse(status)
    }
    let call = client.call("a__echo")
    guard status != 500 else {
      #expect(call.error["code"] == -32603)
      return
    }
    // It has forgotten the stream that the messages belong to: once, the call goes out on a new one.
    try server.next().answer(["content": [["type": "text", "text": "again"]]])
    #expect(call.result["content"][0]["text"] == "again")
    #expect(bench.unfinished == [])
  }

  @Test("A call that is over on one loop is over for the link of another")
  func otherLoop() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .webSocket, ["isolation": "shared"])
    let bench = try WorkerBench(server, workers: 2)
    for worker in 0..<2 {
      let client = try bench.client(worker: worker)
      #expect(client.request("logging/setLevel", ["level": "info"]).result == [:])
      let stream = client.listen()
      let call = client.call("a__echo")
      _ = try server.next()
      client.cancel(call)
      // It is said of no call, as there is none on its way: all hear of it who listen.
      server.notify("notifications/message", ["level": "error", "data": "loud"])
      #expect(stream.messages.filter { $0["params"]["data"] == "loud" }.count == 1, "on worker \(worker)")
      client.endSession()
    }
  }
}
