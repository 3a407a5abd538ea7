import MCP
import Testing

@testable import WorkerBench

/// What servers say of no call: changes of lists and resources, and log lines.
@Suite("News of servers")
struct NewsTests {
  private static let changed = "notifications/tools/list_changed"
  private static let shout: JSONValue = ["name": "shout", "inputSchema": ["type": "object"]]

  private func count(_ method: String, in messages: [JSONValue]) -> Int {
    messages.count { $0["method"].string == method }
  }

  @Test("A changed list is told once to every client that listens, and served", arguments: BenchUpstream.kinds)
  func lists(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let (session, socket) = (try bench.client(), try bench.client(over: .webSocket))
    let stream = session.listen()
    let modern = try bench.client(.newest)
    let listen = modern.request("subscriptions/listen", ["notifications": ["toolsListChanged": true]])
    bench.advance(milliseconds: 2000)
    let before = count(Self.changed, in: stream.messages)
    server.tools.append(Self.shout)
    server.notify(Self.changed)
    bench.advance(milliseconds: 2000)
    #expect(count(Self.changed, in: stream.messages) == before + 1)
    #expect(count(Self.changed, in: socket.heard) == before + 1)
    #expect(count(Self.changed, in: listen.messages) == before + 1)
    for client in [session, socket, modern] {
      #expect(client.request("tools/list").result["tools"].items.map { $0["name"] } == ["a__echo", "a__shout"])
    }
  }

  @Test(
    "A listen hears of the lists that it asked for, and of no other",
    arguments: [BenchClient.Transport.http, .webSocket])
  func filter(_ transport: BenchClient.Transport) throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(.newest, over: transport)
    let listen = client.request("subscriptions/listen", ["notifications": ["promptsListChanged": true]])
    bench.advance(milliseconds: 2000)
    func heard() -> [JSONValue] {
      (transport == .http ? listen.messages : client.heard).map { $0["method"] }.filter {
        $0 != "notifications/subscriptions/acknowledged"
      }
    }
    server.tools.append(Self.shout)
    server.notify(Self.changed)
    bench.advance(milliseconds: 2000)
    #expect(heard() == [])
    server.prompts.append(["name": "part"])
    server.notify("notifications/prompts/list_changed")
    bench.advance(milliseconds: 2000)
    #expect(heard() == ["notifications/prompts/list_changed"])
  }

  @Test("A listen is acknowledged with what its server tells of, and gives back what it took")
  func refused() throws {
    let server = BenchUpstream("a", .newest)
    server.on("subscriptions/listen") { request in
      let wanted = request.params["notifications"]["resourceSubscriptions"]
      guard !wanted.items.contains("test://bad") else { return request.fail(-32602, "no such resource", status: 400) }
      server.listen(request)
    }
    server.resources.append(["uri": "test://bad", "name": "bad"])
    let bench = try WorkerBench(server)
    let client = try bench.client(.newest)
    let listen = client.request(
      "subscriptions/listen", ["notifications": ["resourceSubscriptions": ["test://a", "test://bad"]]])
    bench.advance(milliseconds: 5000)
    let acknowledged = try #require(listen.messages.first)
    #expect(acknowledged["params"]["notifications"]["resourceSubscriptions"] == ["test://a"])
    listen.vanish()
    #expect(bench.leftovers() == [])
  }

  @Test("A socket has so many listens and no more, and another once one is over")
  func places() throws {
    let bench = try WorkerBench(BenchUpstream())
    let client = try bench.client(.newest, over: .webSocket)
    func listen() -> BenchCall { client.request("subscriptions/listen", ["notifications": ["toolsListChanged": true]]) }
    let open = (0..<1024).map { _ in listen() }
    #expect(open.allSatisfy { $0.error == .null } && listen().error["data"]["reason"] == "overloaded")
    client.cancel(open[7])
    #expect(listen().error == .null && listen().error != .null)
    #expect(bench.leftovers() == [])
  }

  @Test("What is said to all who share a conversation reaches them on every worker")
  func sharers() throws {
    let server = BenchUpstream("a", .newestLegacy, over: .http, ["isolation": "shared"])
    let bench = try WorkerBench(server, workers: 3)
    let streams = try (0..<3).map { try bench.client(worker: $0).listen() }
    server.notify("notifications/vendor/news", ["of": 1])
    #expect(streams.map { count("notifications/vendor/news", in: $0.messages) } == [1, 1, 1])
  }

  @Test("Who asks for a list that has just changed is told of that before it gets the list, and not again")
  func toldOnce() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server, workers: 2)
    let client = try bench.client(.newest, over: .webSocket)
    client.request("subscriptions/listen", ["notifications": ["toolsListChanged": true]])
    bench.advance(milliseconds: 2000)
    let before = count(Self.changed, in: client.heard)
    var list: BenchCall?
    bench.atOnce {
      server.tools.append(Self.shout)
      server.notify(Self.changed)
      list = client.request("tools/list")
    }
    bench.advance(milliseconds: 2000)
    #expect(list?.result["tools"].items.map { $0["name"] } == ["a__echo", "a__shout"])
    #expect(count(Self.changed, in: client.heard) == before + 1)
  }

  @Test("A client to which a server shows something else is told once of what changes for all")
  func overlay() throws {
    let (server, other) = (BenchUpstream("a", .newestLegacy, ["isolation": "session"]), BenchUpstream("b"))
    let bench = try WorkerBench(server, other)
    let clients = [try bench.client(), try bench.client()]
    let streams = clients.map { $0.listen() }
    let calls = clients.map { $0.call("a__echo") }
    let requests = [try server.next(), try server.next()]
    for request in requests { request.answer(["content": []]) }
    #expect(calls.allSatisfy { $0.result["content"] == [] } && requests[0].session != requests[1].session)
    server.on("tools/list") { [own = requests[0].session, tools = server.tools] request in
      request.answer(["tools": .array(request.session == own ? tools + [Self.shout] : tools)])
    }
    server.notify(Self.changed)
    bench.advance(milliseconds: 5000)
    func shown(_ client: BenchClient) -> [JSONValue] {
      client.request("tools/list").result["tools"].items.map { $0["name"] }
    }
    #expect(clients.map(shown) == [["a__echo", "a__shout", "b__echo"], ["a__echo", "b__echo"]])
    let before = streams.map { count(Self.changed, in: $0.messages) }
    other.tools.append(Self.shout)
    other.notify(Self.changed)
    bench.advance(milliseconds: 5000)
    #expect(streams.map { count(Self.changed, in: $0.messages) } == before.map { $0 + 1 })
    #expect(clients.map { shown($0).contains("b__shout") } == [true, true])
  }

  @Test("A reload that adds a server is told once")
  func reload() throws {
    let server = BenchUpstream()
    let bench = try WorkerBench(server)
    let client = try bench.client(over: .webSocket)
    let added = BenchUpstream("b")
    try bench.reload(server, added)
    bench.advance(milliseconds: 3000)
    #expect(count(Self.changed, in: client.heard) == 1)
    #expect(client.request("tools/list").result["tools"].items.map { $0["name"] } == ["a__echo", "b__echo"])
  }

  @Test(
    "An update of a resource reaches once who named it, over whatever, and nobody else", arguments: BenchUpstream.kinds)
  func updates(_ kind: BenchUpstream.Kind) throws {
    // One conversation for all clients: whose the news are is the gateway's to know.
    let server = BenchUpstream(kind, ["isolation": "shared"])
    let bench = try WorkerBench(server, workers: 2)
    let named: [JSONValue] = ["test://a", "test://b", .null]
    // Of each kind of client one that names the resource, one that names another, and one that names none.
    let sockets = try named.map { try subscriber(to: $0, over: .webSocket, worker: 0, on: bench) }
    let sessions = try named.map { try subscriber(to: $0, over: .http, worker: 1, on: bench) }
    let streams = sessions.map { $0.listen() }
    let modern = try bench.client(.newest, worker: 1)
    let listens = named.map { uri in
      let filter: JSONValue = uri == .null ? ["toolsListChanged": true] : ["resourceSubscriptions": [uri]]
      return modern.request("subscriptions/listen", ["notifications": filter])
    }
    bench.advance(milliseconds: 3000)
    let told = { () -> [[Int]] in
      let updated = "notifications/resources/updated"
      return [
        sockets.map { self.count(updated, in: $0.heard) }, streams.map { self.count(updated, in: $0.messages) },
        listens.map { self.count(updated, in: $0.messages) },
      ]
    }
    #expect(told() == [[0, 0, 0], [0, 0, 0], [0, 0, 0]])
    server.notify("notifications/resources/updated", ["uri": "test://a"])
    bench.advance(milliseconds: 1000)
    #expect(told() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]])
    let uris = (sockets[0].heard + streams[0].messages + listens[0].messages).compactMap { $0["params"]["uri"].string }
    #expect(uris == ["test://a", "test://a", "test://a"])
    // Who takes it back hears no more of it; the others do.
    #expect(sockets[0].request("resources/unsubscribe", ["uri": "test://a"]).result == [:])
    bench.advance(milliseconds: 1000)
    server.notify("notifications/resources/updated", ["uri": "test://a"])
    bench.advance(milliseconds: 1000)
    #expect(told() == [[1, 0, 0], [2, 0, 0], [2, 0, 0]])
  }

  private func subscriber(
    to uri: JSONValue, over transport: BenchClient.Transport, worker: Int, on bench: WorkerBench
  ) throws -> BenchClient {
    let client = try bench.client(over: transport, worker: worker)
    if uri != .null { #expect(client.request("resources/subscribe", ["uri": uri]).result == [:]) }
    return client
  }

  @Test("A log line of a call comes with it, if the client wants to hear of its level", arguments: BenchUpstream.kinds)
  func logs(_ kind: BenchUpstream.Kind) throws {
    let server = BenchUpstream(kind)
    let bench = try WorkerBench(server)
    let client = try bench.client()
    #expect(client.request("logging/setLevel", ["level": "warning"]).result == [:])
    let call = client.call("a__echo")
    let request = try server.next()
    request.notify("notifications/message", ["level": "info", "data": "quiet"])
    request.notify("notifications/message", ["level": "error", "data": "loud"])
    request.answer(["content": []])
    #expect(call.messages.map { $0["params"]["data"] } == ["loud"])
  }
}
