import MCP
import Testing

@testable import WorkerBench

/// What servers ask clients in the course of calls.
@Suite("Questions of servers")
struct QuestionTests {
  private static let params: JSONValue = ["messages": [], "maxTokens": 1]
  private static let answer: JSONValue = [
    "role": "assistant", "model": "m", "content": ["type": "text", "text": "yes"],
  ]

  @Test("A question reaches the caller under another id, and its answer the server under its own")
  func asked() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(abilities: ["sampling": [:]])
    let call = client.call("a__echo")
    let request = try server.next()
    let id = request.ask("sampling/createMessage", Self.params)
    let question = try #require(call.messages.last)
    #expect(question["method"] == "sampling/createMessage" && question["id"] != id)
    client.respond(to: question, Self.answer)
    #expect(server.responses.last?["id"] == id)
    #expect(server.responses.last?["result"] == Self.answer)
    request.answer(["content": []])
    #expect(bench.unfinished == [])
  }

  @Test("A question whose call has ended is withdrawn")
  func withdrawn() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(abilities: ["sampling": [:]])
    let stream = client.listen()
    let call = client.call("a__echo")
    let request = try server.next()
    request.ask("sampling/createMessage", Self.params)
    let question = try #require(call.messages.last)
    request.answer(["content": []])
    #expect(stream.messages.last?["method"] == "notifications/cancelled")
    #expect(stream.messages.last?["params"]["requestId"] == question["id"])
    #expect(call.result["content"] == [])
    #expect(bench.unfinished == [])
    // What comes now is nobody's answer.
    client.respond(to: question, Self.answer)
    #expect(server.responses == [])
  }

  @Test("A server that withdraws its question is heard by who was asked")
  func takenBack() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(abilities: ["sampling": [:]])
    let call = client.call("a__echo")
    let request = try server.next()
    let id = request.ask("sampling/createMessage", Self.params)
    let question = try #require(call.messages.last)
    request.notify("notifications/cancelled", ["requestId": id])
    #expect(call.messages.last?["method"] == "notifications/cancelled")
    #expect(call.messages.last?["params"]["requestId"] == question["id"])
  }

  @Test("Only who was asked can answer")
  func answeredByAnother() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(abilities: ["sampling": [:]])
    let other = try bench.client(abilities: ["sampling": [:]])
    let call = client.call("a__echo")
    try server.next().ask("sampling/createMessage", Self.params)
    let question = try #require(call.messages.last)
    other.respond(to: question, Self.answer)
    #expect(server.responses == [])
    client.respond(to: question, Self.answer)
    #expect(server.responses.count == 1)
  }

  @Test("A client without the ability is not asked: the server hears that nobody can answer")
  func unable() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let call = try bench.client().call("a__echo")
    try server.next().ask("sampling/createMessage", Self.params)
    #expect(call.messages == [])
    #expect(server.responses.last?["error"]["code"] == -32601)
  }

  @Test("A modern client's call that fails for what it can't be asked says what the client would have to declare")
  func lacking() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.newest)
    let (call, other) = (client.call("a__echo"), client.call("a__echo"))
    let (request, untroubled) = (try server.next(), try server.next())
    request.ask("sampling/createMessage", Self.params)
    #expect(server.responses.last?["error"]["code"] == -32601)
    request.fail(-32603, "nobody to ask")
    #expect(call.error["data"]["requiredCapabilities"] == ["sampling": [:]])
    untroubled.fail(-32603, "nobody to ask")
    #expect(other.error["code"] == -32603 && other.error["data"]["requiredCapabilities"] == .null)
    // One that does without what it asked for has not failed.
    let able = client.call("a__echo")
    let next = try server.next()
    next.ask("sampling/createMessage", Self.params)
    next.answer(["content": []])
    #expect(able.result["content"] == [])
  }

  @Test(
    "Of the URLs that an error names so many are remembered, the first ones, and who was sent there hears of the end")
  func elicitations() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": "shared"])
    let bench = try WorkerBench(server)
    let (client, other) = (try bench.client(), try bench.client())
    let (stream, foreign) = (client.listen(), other.listen())
    let call = client.call("a__echo")
    let items = (0..<40).map { number -> JSONValue in
      ["mode": "url", "elicitationId": "e\(number)", "url": "https://h.example/\(number)", "message": "go there"]
    }
    try server.next().fail(-32042, "a human is needed", data: ["elicitations": .array(items)])
    #expect(call.error["code"] == -32042)
    for id in ["e0", "e31", "e32", "e39"] as [JSONValue] {
      server.notify("notifications/elicitation/complete", ["elicitationId": id])
    }
    #expect(stream.messages.map { $0["params"]["elicitationId"] } == ["e0", "e31"])
    #expect(foreign.messages == [])
  }

  @Test("A server's ping is answered at once, by the gateway")
  func ping() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let call = try bench.client().call("a__echo")
    let id = try server.next().ask("ping")
    #expect(server.responses.last == ["jsonrpc": "2.0", "id": id, "result": [:]])
    #expect(call.messages == [])
  }
}
