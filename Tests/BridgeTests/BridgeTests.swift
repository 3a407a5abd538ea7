import ConfigurationSyntax
import Dispatch
import Glibc
import Reactor
import Synchronization
import Testing

@testable import Bridge

/// What the client gets for these lines, in the order in which it came; `came` hears how many there are whenever one comes.
private func converse(
  _ lines: [String], with server: ScriptedServer, target: String = "/mcp", _ came: (Int) -> Void = { _ in }
) throws -> [String] {
  var input: [Int32] = [0, 0]
  var output: [Int32] = [0, 0]
  precondition(pipe(&input) == 0 && pipe(&output) == 0)
  let bytes = Array(lines.joined(separator: "\n").utf8) + [0x0A]
  precondition(write(input[1], bytes, bytes.count) == bytes.count)
  close(input[1])
  let url = EndpointURL(scheme: .http, host: "127.0.0.1", port: server.port, target: target)
  let bridge = try Bridge(to: url, headers: [("Authorization", "Bearer t")]) { _ in }
  let (reading, writing) = (input[0], output[1])
  let isReached = Mutex(false)
  let thread = Thread(name: "bridge") {
    let reached = bridge.run(reading: reading, writing: writing)
    isReached.withLock { $0 = reached }
    close(reading)
    close(writing)
  }
  var reader = LineReader(descriptor: output[0])
  var result: [String] = []
  while let line = reader.next() {
    result.append(String(decoding: line, as: UTF8.self))
    came(result.count)
  }
  thread.join()
  #expect(isReached.withLock { $0 })
  close(output[0])
  server.stop()
  return result
}

@Suite struct BridgeTests {
  @Test("a legacy client has one session, its version on every message, and it ends with the input")
  func legacySession() throws {
    let server = ScriptedServer { request in
      if request.method == "GET" { return .notAllowed }
      if request.method == "DELETE" { return .accepted }
      if request.body.contains("initialize\"") { return .json(opened, headers: "Mcp-Session-Id: s1\r\n") }
      if request.body.contains("ping") { return .json("{\"jsonrpc\":\"2.0\",\r\n\"id\":\"a\",\n\"result\":{}}") }
      return .accepted
    }
    let lines = try converse(
      [initialize, initialized, "", #"{"jsonrpc":"2.0","id":"a","method":"ping"}"#], with: server, target: "/mcp?x=1")
    #expect(lines == [opened, #"{"jsonrpc":"2.0",  "id":"a", "result":{}}"#])
    let requests = server.requests
    #expect(requests.map(\.method) == ["POST", "POST", "POST", "DELETE"])
    #expect(requests.allSatisfy { $0.target == "/mcp?x=1" && $0.headers["authorization"] == "Bearer t" })
    #expect(requests.map { $0.headers["mcp-session-id"] } == [nil, "s1", "s1", "s1"])
    #expect(requests.map { $0.headers["mcp-protocol-version"] } == [nil, "2025-06-18", "2025-06-18", "2025-06-18"])
    #expect(requests[2].headers["accept"] == "application/json, text/event-stream")
    #expect(requests[2].headers["content-type"] == "application/json")
  }

  @Test("a message of 2026-07-28 repeats its method and name in headers and has no session")
  func modernHeaders() throws {
    let server = ScriptedServer { _ in .json(#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"}}"#) }
    let lines = try converse([modern("2", "tools/call", #""name":"t é","#)], with: server)
    #expect(lines == [#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"}}"#])
    #expect(server.requests.map(\.method) == ["POST"])
    let headers = server.requests[0].headers
    #expect(headers["mcp-protocol-version"] == "2026-07-28")
    #expect(headers["mcp-method"] == "tools/call")
    #expect(headers["mcp-name"] == "=?base64?dCDDqQ==?=")
    #expect(headers["mcp-session-id"] == nil)
  }

  @Test("an answer that is a stream comes out message by message, comments and other events left out")
  func eventStream() throws {
    let server = ScriptedServer { _ in
      .events(
        ": hi\n\nid: 1\ndata:\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/x\"}\n\n"
          + "event: ping\ndata: {}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n")
    }
    let lines = try converse([modern("7", "tools/list")], with: server)
    #expect(
      lines == [
        #"{"jsonrpc":"2.0", "method":"notifications/x"}"#, #"{"jsonrpc":"2.0","id":7,"result":{}}"#,
      ])
  }

  @Test("a broken stream of a session is resumed after its last event")
  func resumption() throws {
    let server = ScriptedServer { request in
      if request.method == "DELETE" { return .accepted }
      if request.body.contains("initialize") { return .json(opened, headers: "Mcp-Session-Id: s1\r\n") }
      guard request.method == "GET" else { return .events("id: e1\nretry: 1\ndata:\n\n") }
      return request.headers["last-event-id"] == "e1"
        ? .events("id: e2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n")
        : .events("id: e3\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n")
    }
    let lines = try converse([initialize, #"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#], with: server)
    #expect(
      lines == [opened, #"{"jsonrpc":"2.0","method":"notifications/x"}"#, #"{"jsonrpc":"2.0","id":5,"result":{}}"#])
    #expect(server.allRequests.compactMap { $0.headers["last-event-id"] } == ["e1", "e2"])
  }

  @Test("a stream that breaks and can't be resumed is an error for its call")
  func brokenStream() throws {
    let server = ScriptedServer { _ in .events("data: {\"jsonrpc\":\"2.0\",\"id\"") }
    let lines = try converse([modern("7", "tools/list")], with: server)
    #expect(lines.count == 1)
    #expect(lines[0].hasPrefix(#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"#))
  }

  @Test("a session that the server forgot is opened again behind the client's back")
  func renewal() throws {
    let opens = Atomic(0)
    let server = ScriptedServer { request in
      if request.method == "DELETE" { return .accepted }
      if request.method == "GET" { return .notAllowed }
      if request.body.contains("initialize\"") {
        let number = opens.add(1, ordering: .relaxed).newValue
        return .json(opened, headers: "Mcp-Session-Id: s\(number)\r\n")
      }
      guard request.body.contains("ping") else { return .accepted }
      return request.headers["mcp-session-id"] == "s1"
        ? .json("{}", status: "404 Not Found") : .json(#"{"jsonrpc":"2.0","id":5,"result":{}}"#)
    }
    let lines = try converse([initialize, initialized, #"{"jsonrpc":"2.0","id":5,"method":"ping"}"#], with: server)
    #expect(lines == [opened, #"{"jsonrpc":"2.0","id":5,"result":{}}"#])
    let sent = server.requests.map {
      $0.method == "DELETE" ? "DELETE" : String(decoding: Message(Array($0.body.utf8)).method, as: UTF8.self)
    }
    #expect(
      sent == [
        "initialize", "notifications/initialized", "ping", "initialize", "notifications/initialized", "ping", "DELETE",
      ])
    #expect(server.requests.last?.headers["mcp-session-id"] == "s2")
  }

  @Test("an HTTP error is the answer to the request that met it, under its id")
  func httpErrors() throws {
    let server = ScriptedServer { request in
      if request.body.contains("tools/list") {
        return .json(
          #"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"m","data":1.10}}"#, status: "400 Bad Request")
      }
      return .bytes("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
    }
    let lines = try converse([modern("\"x\"", "tools/list"), modern("2", "prompts/list")], with: server)
    #expect(lines.contains(#"{"jsonrpc":"2.0","id":"x","error":{"code":-32020,"message":"m","data":1.10}}"#))
    #expect(lines.contains { $0.contains(#""id":2,"error":{"code":-32603"#) && $0.contains("--header") })
  }

  @Test("a cancelled request of 2026-07-28 is given up by closing its connection, without an answer")
  func cancellation() throws {
    let server = ScriptedServer { _ in .silence }
    let cancel = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r"}}"#
    let lines = try converse([modern("\"r\"", "tools/call", #""name":"slow","#), cancel], with: server)
    #expect(lines.isEmpty)
    #expect(!server.requests.contains { $0.body.contains("notifications/cancelled") })
  }

  @Test("a subscription ends with the input")
  func subscription() throws {
    let server = ScriptedServer { _ in .silence }
    #expect(try converse([modern("1", "subscriptions/listen")], with: server).isEmpty)
  }

  @Test("what is no message is answered, not sent")
  func invalidMessages() throws {
    let server = ScriptedServer { _ in .accepted }
    let lines = try converse(["{", #"{"jsonrpc":"1.0","id":3,"method":"x"}"#], with: server)
    #expect(lines.map { $0.prefix(48) }.map(String.init)[0].contains(#""id":null,"error":{"code":-3"#))
    #expect(lines[1].contains(#""id":3,"error":{"code":-32600"#))
    #expect(server.requests.isEmpty)
  }

  @Test("a message waits for a gateway that starts after it", arguments: [initialize, modern("0", "tools/list")])
  func late(message: String) throws {
    let probe = ScriptedServer { _ in .accepted }
    let port = probe.port
    probe.stop()
    var (input, output) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
    precondition(pipe(&input) == 0 && pipe(&output) == 0)
    let bytes = Array((message + "\n").utf8)
    precondition(write(input[1], bytes, bytes.count) == bytes.count)
    let waits = DispatchSemaphore(value: 0)
    let bridge = try Bridge(
      to: EndpointURL(scheme: .http, host: "127.0.0.1", port: port, target: "/mcp"), patience: 600_000
    ) { _ in waits.signal() }
    let (reading, writing) = (input[0], output[1])
    let thread = Thread(name: "bridge") { _ = bridge.run(reading: reading, writing: writing) }
    // It says that nobody listens.
    #expect(waits.wait(timeout: .now() + 60) == .success)
    let server = ScriptedServer(port: port) { request in
      request.method == "POST" ? .json(opened, headers: "Mcp-Session-Id: s1\r\n") : .notAllowed
    }
    var reader = LineReader(descriptor: output[0])
    #expect(reader.next().map { String(decoding: $0, as: UTF8.self) } == opened)
    #expect(server.requests.filter { $0.method == "POST" }.count == 1)
    close(input[1])
    thread.join()
    server.stop()
  }

  @Test("an endpoint that does not answer at all is an error for each request")
  func unreachable() throws {
    let server = ScriptedServer { _ in .accepted }
    server.stop()
    let lines = try converse([modern("1", "tools/list")], with: server)
    #expect(lines.count == 1)
    #expect(lines[0].contains("no connection"))
  }

  @Test("messages one after the other share a connection, and one that waits does not hold back the next")
  func connections() throws {
    // The slow one is answered once the others have come out.
    let others = DispatchSemaphore(value: 0)
    let server = ScriptedServer { request in
      if request.body.contains("slow") { _ = others.wait(timeout: .now() + 60) }
      let id = request.body.contains("slow") ? "1" : request.body.contains("\"id\":2") ? "2" : "3"
      return .json(#"{"jsonrpc":"2.0","id":\#(id),"result":{}}"#)
    }
    let lines = try converse(
      [modern("1", "tools/call", #""name":"slow","#), modern("2", "tools/list"), modern("3", "tools/list")],
      with: server
    ) { if $0 == 2 { others.signal() } }
    let answers = ["1", "2", "3"].map { #"{"jsonrpc":"2.0","id":\#($0),"result":{}}"# }
    // The quick ones go by connections of their own, in whichever order; the slow one holds up neither.
    #expect(lines.last == answers[0])
    #expect(lines.sorted() == answers)
    #expect(server.requests.map(\.connection).max() == 1 || server.requests.map(\.connection).max() == 2)
    let quiet = ScriptedServer { request in
      .json(#"{"jsonrpc":"2.0","id":\#(request.body.contains("\"id\":1,") ? 1 : 2),"result":{}}"#)
    }
    var (input, output) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
    precondition(pipe(&input) == 0 && pipe(&output) == 0)
    let bridge = try Bridge(to: EndpointURL(scheme: .http, host: "127.0.0.1", port: quiet.port, target: "/mcp")) { _ in
    }
    let (reading, writing) = (input[0], output[1])
    let thread = Thread(name: "bridge") { _ = bridge.run(reading: reading, writing: writing) }
    var reader = LineReader(descriptor: output[0])
    for id in ["1", "2", "2"] {
      let bytes = Array((modern(id, "tools/call", #""name":"t","#) + "\n").utf8)
      precondition(write(input[1], bytes, bytes.count) == bytes.count)
      #expect(reader.next() != nil)
    }
    close(input[1])
    thread.join()
    #expect(quiet.requests.map(\.connection) == [0, 0, 0])
    quiet.stop()
  }
}
