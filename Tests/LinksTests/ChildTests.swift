import MCP
import Testing

@testable import WorkerBench

/// Servers that are children of the gateway's.
@Suite("A child")
struct ChildTests {
  @Test("answers the calls of all clients, in whichever order", arguments: BenchUpstream.children)
  func calls(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server, workers: 2)
    let clients = [try bench.client(worker: 1), try bench.client(.newest), try bench.client(over: .webSocket)]
    let calls = clients.map { $0.call("a__echo") }
    let requests = try calls.map { _ in try server.next() }
    for (number, request) in requests.enumerated().reversed() {
      request.answer(["content": [], "number": "\(number)"])
    }
    #expect(calls.map { $0.result["number"] } == ["0", "1", "2"])
    #expect(server.problems.isEmpty && bench.unfinished.isEmpty)
  }

  @Test("that exits takes the calls on their way with it, and is started again", arguments: BenchUpstream.children)
  func exits(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let lost = client.call("a__echo")
    try server.next().connection.end()
    bench.settle()
    #expect(lost.error != .null && bench.unfinished.isEmpty)
    #expect(bench.log.contains { $0.contains("exited with status 0") }, "\(bench.log)")
    bench.advance(milliseconds: 5000)
    let call = client.call("a__echo")
    try server.next().answer(["content": []])
    #expect(call.result["content"] == [])
  }

  @Test("is told when nobody waits for an answer any more, and goes on", arguments: BenchUpstream.children)
  func cancelled(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    let call = client.call("a__echo")
    let request = try server.next()
    client.cancel(call)
    #expect(server.cancelled == [request.id] && !request.isGone)
    let next = client.call("a__echo")
    try server.next().answer(["content": []])
    #expect(next.result["content"] == [])
  }

  @Test("tells of changed lists", arguments: BenchUpstream.children)
  func lists(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client(over: .webSocket)
    server.tools.append(["name": "shout", "inputSchema": ["type": "object"]])
    server.notify("notifications/tools/list_changed")
    bench.advance(milliseconds: 2000)
    #expect(client.heard.contains { $0["method"] == "notifications/tools/list_changed" })
    #expect(client.request("tools/list").result["tools"].items.map { $0["name"] } == ["a__echo", "a__shout"])
  }

  @Test("ends with its input once it serves no more", arguments: BenchUpstream.children)
  func leaves(_ kind: BenchUpstream.Kind) throws {
    let (server, other) = (BenchUpstream(kind), BenchUpstream("b"))
    let bench = try WorkerBench(server, other)
    #expect(server.connectionCount > 0)
    try bench.reload(other)
    bench.advance(milliseconds: 1000)
    #expect(server.connectionCount == 0)
  }
}
