import MCP
import Testing

@testable import WorkerBench

/// What a server has been sent it may have done: it is not asked twice.
@Suite("A call that was sent")
struct SentOnceTests {
  enum Break: CaseIterable { case reset, hangUp, half }

  @Test("is not sent again when its connection breaks", arguments: BenchUpstream.kinds, Break.allCases)
  func isNotRepeated(_ kind: BenchUpstream.Kind, _ end: Break) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let call = client.call("a__echo")
    let request = try server.next()
    // Longer than a server may take to see that it has closed a connection that was used before.
    bench.advance(milliseconds: 300)
    switch end {
    case .reset: request.reset()
    case .hangUp: request.hangUp()
    case .half:
      request.sendRaw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"")
      request.reset()
    }
    bench.advance(milliseconds: 10_000)
    #expect(call.error["code"] == -32603)
    #expect(server.calls.count == 2)
    #expect(bench.unfinished == [])
  }

  @Test(
    "is sent again, once, when a connection that was used before ends at once without a word: the server had closed it",
    arguments: [Break.reset, .hangUp])
  func keepAliveRace(_ end: Break) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let call = client.call("a__echo", ["text": "again"])
    let request = try server.next()
    if case .reset = end { request.reset() } else { request.hangUp() }
    let second = try server.next()
    #expect(second.params["arguments"] == ["text": "again"] && call.responses.isEmpty)
    // Over a fresh one: that it breaks says nothing of whether it was read.
    if case .reset = end { second.reset() } else { second.hangUp() }
    bench.advance(milliseconds: 10_000)
    #expect(call.error["code"] == -32603 && call.responses.count == 1)
    #expect(server.calls.count == 3)
    #expect(bench.unfinished == [])
  }

  /// How servers say that they have forgotten a session: status, code, text; nil for a code: as plain text.
  private static let forgotten: [(Int, Int?, String)] = [
    (404, -32600, "no such session"), (400, -32000, "Bad Request: No valid session ID provided"),
    (400, -32001, "Session not found"), (400, nil, "Mcp-Session-Id header is required"),
    (401, -32000, "Session expired"), (200, -32001, "Session not found"),
  ]

  @Test(
    "is sent again, once, in a new session where the server had forgotten the old one, however it says so",
    arguments: forgotten.indices, ["session", "shared"])
  func newSession(_ how: Int, _ isolation: String) throws {
    let server = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": .text(isolation)])
    server.forgets = Self.forgotten[how]
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    server.forgetSessions()
    let call = client.call("a__echo", ["text": "again"])
    let request = try server.next()
    #expect(request.params["arguments"] == ["text": "again"])
    request.answer(["content": []])
    #expect(call.result["content"] == [])
    let sent = server.calls.filter { $0.params["arguments"] == ["text": "again"] }
    #expect(sent.count == 2 && sent[0].session != sent[1].session)
    #expect(bench.unfinished == [])
  }

  @Test("is sent again, once, after a look at a server that refuses it as one of another era would")
  func anotherEra() throws {
    let server = BenchUpstream("a", .newest)
    let bench = try WorkerBench(server)
    let client = try bench.client(.newest)
    server.on("tools/call") { $0.refuse(404) }
    let looks = server.requests("server/discover").count
    let call = client.call("a__echo")
    bench.advance(milliseconds: 3000)
    #expect(call.error["data"]["server"] == "a")
    #expect(server.calls.count == 2)
    #expect(server.requests("server/discover").count > looks)
    #expect(bench.unfinished == [])
  }

  @Test("is sent no third time to a server that forgets each session at once", arguments: forgotten.indices)
  func forgetful(_ how: Int) throws {
    let server = BenchUpstream()
    server.forgets = Self.forgotten[how]
    let bench = try WorkerBench(server)
    let client = try bench.client()
    client.call("a__echo")
    try server.next().answer(["content": []])
    let opened = server.requests("initialize").count
    server.forgetSessions(forGood: true)
    let call = client.call("a__echo")
    bench.advance(milliseconds: 5000)
    #expect(call.error != .null)
    #expect(server.calls.count <= 3)
    #expect(server.requests("initialize").count <= opened + 3)
    #expect(bench.unfinished == [])
  }

  @Test("is taken up where its stream broke, by GET with Last-Event-ID")
  func resumed() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let call = try bench.client().call("a__echo", progress: "mine")
    let request = try server.next()
    let progress: JSONValue = ["progressToken": request.progressToken, "progress": 1]
    request.notify("notifications/progress", progress, eventID: "event-1")
    var taken: BenchRequest?
    server.on("GET") { taken = $0 }
    request.endStream()
    bench.advance(milliseconds: 2000)
    let get = try #require(taken)
    #expect(get.headers["last-event-id"] == "event-1")
    #expect(get.session == request.session)
    get.send(["jsonrpc": "2.0", "id": request.id, "result": ["content": [["type": "text", "text": "late"]]]])
    #expect(call.result["content"][0]["text"] == "late")
    #expect(server.calls.count == 1)
  }
}
