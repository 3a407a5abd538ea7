import MCP
import Testing

@testable import WorkerBench

/// Clients of Streamable HTTP whose next request the kernel gives to another worker than the one that has their call.
@Suite("A call on one loop, and its client on another")
struct OtherLoopTests {
  private let server = BenchUpstream()
  private let bench: WorkerBench

  init() throws { bench = try WorkerBench(server, workers: 3) }

  private func client(_ abilities: JSONValue = [:], worker: Int = 1) throws -> BenchClient {
    try bench.client(worker: worker, abilities: abilities)
  }

  @Test("is cancelled all the same, once, and others of the same id are not", arguments: [0, 2])
  func cancelled(_ other: Int) throws {
    let (client, stranger) = (try client(), try self.client(worker: other))
    let call = client.call("a__echo")
    let request = try server.next()
    let foreign = stranger.call("a__echo")
    let left = try server.next()
    #expect(call.id == foreign.id)
    client.move(to: other)
    client.cancel(call)
    #expect(server.cancelled == [request.id])
    #expect(call.isOver)
    left.answer(["content": []])
    #expect(foreign.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test("ends with its session, which its client ends there")
  func ended() throws {
    let client = try client()
    let call = client.call("a__echo")
    let request = try server.next()
    client.move(to: 2)
    #expect(client.endSession().status == 200)
    #expect(server.cancelled == [request.id])
    #expect(call.error["message"] == "the session has ended")
    #expect(bench.unfinished == [])
  }

  @Test("goes on when its client answers there what the server has asked", arguments: [0, 2])
  func answered(_ other: Int) throws {
    let client = try client(["sampling": [:]])
    let call = client.call("a__echo")
    let request = try server.next()
    let id = request.ask("sampling/createMessage", ["messages": [], "maxTokens": 1])
    let question = try #require(call.messages.last)
    client.move(to: other)
    client.respond(to: question, ["role": "assistant"])
    #expect(server.responses.last?["id"] == id)
    #expect(server.responses.last?["result"] == ["role": "assistant"])
    // Once: nobody asks that any more.
    client.respond(to: question, ["role": "assistant"])
    #expect(server.responses.count == 1)
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    #expect(bench.unfinished == [])
  }

  @Test("tells the others of a log level that its client sets there")
  func logLevel() throws {
    let client = try client()
    let call = client.call("a__echo")
    let request = try server.next()
    client.move(to: 0)
    #expect(client.request("logging/setLevel", ["level": "error"]).result == [:])
    request.notify("notifications/message", ["level": "info", "data": "small"])
    request.notify("notifications/message", ["level": "error", "data": "large"])
    #expect(call.messages.compactMap { $0["params"]["data"].string } == ["large"])
    request.answer(["content": []])
  }
}
