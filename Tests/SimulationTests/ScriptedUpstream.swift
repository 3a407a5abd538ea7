import CReactor
import Foundation

@testable import WorkerBench

/// An MCP server at the other end of the gateway's connections. Once `misbehaves` is set it does what servers do on bad
/// days: late, piecemeal, broken, wrong and missing answers.
final class ScriptedUpstream {
  enum Era { case legacy, modern }

  private enum Action {
    case send([UInt8])
    case end
    case reset
  }

  private final class Connection {
    let peer: MemoryPeer
    var reader = HTTPReader(requests: true)
    var plan: [(due: Int, action: Action)] = []
    var isListening = false
    var isDone = false
    /// It has carried an answer.
    var wasUsed = false
    /// What the call on it is to say, as long as no byte of an answer has been read: a reset takes back what was sent with it.
    var unanswered: String?
    var answeredAt = Int.max

    init(_ peer: MemoryPeer) { self.peer = peer }
  }

  private let era: Era
  let interceptor = Interceptor()
  var misbehaves = false
  /// What the gateway did that no server need understand.
  private(set) var problems: [String] = []
  private var connections: [Connection] = []
  private var sessions: Set<String> = []
  private var nextSession = 1
  private var nextQuestion = 1
  /// Calls that have arrived and were not refused unread, by what they are to say: each client's call says another thing.
  private let arrivals: Arrivals
  private var arrived: Set<String> {
    get { arrivals.texts }
    set { arrivals.texts = newValue }
  }
  /// Nobody listens where it was.
  private(set) var isAway = false
  /// Calls that wait for the client's answer to a question, by the id of that question.
  private var questions: [String: (Connection, id: Any, text: String)] = [:]
  private var tick = 0

  /// What the endpoints of one server have been asked, whichever of them.
  private final class Arrivals { var texts: Set<String> = [] }

  init(_ era: Era) {
    self.era = era
    arrivals = Arrivals()
  }

  /// Another endpoint of the same server.
  init(besides other: ScriptedUpstream) {
    era = other.era
    arrivals = other.arrivals
  }

  /// Its process dies, or is there again.
  func turn(away isAway: Bool) {
    self.isAway = isAway
    interceptor.refuse(isAway)
    guard isAway else { return }
    sessions = []
    questions = [:]
    for connection in connections {
      connection.peer.reset()
      connection.isDone = true
    }
    forgetUnread()
  }

  /// What breaks looks like a server that has closed an idle connection, unread, if it was used before: such a call goes out
  /// again.
  private func forgetUnread() {
    for connection in connections where connection.isDone && connection.wasUsed {
      if let text = connection.unanswered { arrived.remove(text) }
    }
    connections.removeAll { $0.isDone }
  }

  /// Lets a turn pass: reads what has come and writes what is due.
  func step(_ random: inout SeededRandom) -> Bool {
    tick += 1
    var moved = false
    for peer in interceptor.takeArrived() {
      if misbehaves {
        peer.plan(
          cr_fault_plan(
            max_write: random.chance(20) ? UInt32(1 + random.below(200)) : 0,
            again_every: random.chance(20) ? 2 : 0,
            reset_after: random.chance(4) ? UInt64(1 + random.below(600)) : 0))
      }
      connections.append(Connection(peer))
      moved = true
    }
    for connection in connections {
      if connection.answeredAt < tick { connection.unanswered = nil }
      let bytes = connection.peer.take()
      if !bytes.isEmpty {
        moved = true
        connection.reader.feed(bytes)
        if let problem = connection.reader.problem { problems.append(problem) }
        while let request = connection.reader.takeMessage() { answer(request, connection, &random) }
      }
      while let next = connection.plan.first, next.due <= tick {
        connection.plan.removeFirst()
        moved = true
        switch next.action {
        case .send(let bytes):
          connection.peer.send(bytes)
          guard !bytes.isEmpty else { continue }
          connection.wasUsed = true
          connection.answeredAt = tick
        case .end:
          connection.peer.end()
          connection.isDone = true
        case .reset:
          connection.peer.reset()
          connection.isDone = true
        }
      }
    }
    for connection in connections where connection.peer.isEnded { connection.isDone = true }
    forgetUnread()
    return moved || connections.contains { !$0.plan.isEmpty }
  }

  /// Tells who listens that the tools have changed.
  func announce() {
    let event = #"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#
    for connection in connections where connection.isListening { chunk(connection, "data: \(event)\n\n", after: 0) }
  }

  // MARK: Answers

  private func answer(_ request: HTTPMessage, _ connection: Connection, _ random: inout SeededRandom) {
    switch request.method {
    case "POST": break
    case "GET" where era == .legacy:
      connection.isListening = true
      head(connection, 200, "text/event-stream", chunked: true)
      return
    case "DELETE":
      sessions.remove(request.headers["mcp-session-id"] ?? "")
      return reply(connection, 200, nil)
    default:
      return reply(connection, 405, nil)
    }
    guard let message = request.json else {
      problems.append("a POST that is no JSON object: \(String(decoding: request.body, as: UTF8.self))")
      return reply(connection, 400, nil)
    }
    guard let method = message["method"] as? String else { return answered(message, connection, &random) }
    guard let id = message["id"] else { return reply(connection, 202, nil) }
    let isModern = request.headers["mcp-protocol-version"] == "2026-07-28"
    guard isModern == (era == .modern) else {
      return refuse(connection, 400, id, -32600, "not of this era")
    }
    if era == .legacy, method != "initialize" {
      guard let session = request.headers["mcp-session-id"], sessions.contains(session) else {
        return refuse(connection, 404, id, -32600, "no such session")
      }
    }
    switch method {
    case "server/discover":
      reply(connection, 200, result(id, ["supportedVersions": ["2026-07-28"], "capabilities": ["tools": [:]]]))
    case "initialize":
      if misbehaves, random.chance(10) { return reply(connection, 500, nil) }
      let session = "s\(nextSession)"
      nextSession += 1
      sessions.insert(session)
      let made: [String: Any] = [
        "protocolVersion": "2025-11-25", "capabilities": ["tools": ["listChanged": true]],
        "serverInfo": ["name": "scripted", "version": "1"],
      ]
      reply(connection, 200, result(id, made), headers: "Mcp-Session-Id: \(session)\r\n")
    case "tools/list":
      let tool: [String: Any] = [
        "name": "echo", "inputSchema": ["type": "object", "properties": ["text": ["type": "string"]]],
      ]
      reply(connection, 200, result(id, ["tools": [tool]]))
    case "tools/call":
      call(id, message, request.headers["mcp-session-id"], connection, &random)
    case "ping":
      reply(connection, 200, result(id, [:]))
    default:
      refuse(connection, era == .modern ? 404 : 200, id, -32601, "Method not found")
    }
  }

  private func call(
    _ id: Any, _ message: [String: Any], _ session: String?, _ connection: Connection, _ random: inout SeededRandom
  ) {
    let parameters = message["params"] as? [String: Any]
    let text = (parameters?["arguments"] as? [String: Any])?["text"] as? String ?? ""
    if !arrived.insert(text).inserted { problems.append("a call that it had been sent before: \(text.prefix(20))") }
    connection.unanswered = text
    connection.answeredAt = .max
    let done = echo(id, text)
    switch misbehaves ? random.below(20) : 0 {
    case 0...3: reply(connection, 200, done)
    case 4: reply(connection, 200, done, after: 1 + random.below(40))
    case 5, 6:
      head(connection, 200, "text/event-stream", chunked: true)
      for _ in 0..<random.below(4) {
        let log: [String: Any] = [
          "jsonrpc": "2.0", "method": "notifications/message", "params": ["level": "info", "data": "working"],
        ]
        chunk(connection, "data: \(Self.text(log))\n\n", after: random.below(8))
      }
      chunk(connection, "data: \(Self.text(done))\n\n", after: random.below(12))
      chunk(connection, "", after: 0)
    case 7:
      // In crumbs.
      for byte in Self.response(200, "application/json", Self.bytes(done)) { plan(connection, .send([byte]), 0) }
    case 8:
      let bytes = Self.response(200, "application/json", Self.bytes(done))
      plan(connection, .send(Array(bytes[..<random.below(bytes.count)])), random.below(5))
      plan(connection, random.chance(50) ? .end : .reset, random.below(5))
    case 9: plan(connection, .reset, random.below(5))
    case 10: plan(connection, .end, random.below(5))
    case 11: break  // never
    case 12:
      let status = [400, 429, 500, 502, 503][random.below(5)]
      // As one that does not know what is asked of it: it may be asked in another way.
      if status == 400 { arrived.remove(text) }
      reply(connection, status, nil)
    case 13:
      arrived.remove(text)
      if let session { sessions.remove(session) }
      refuse(connection, 404, id, -32600, "no such session")
    case 14: reply(connection, 200, echo(999_999, text))
    case 15:
      plan(connection, .send(Self.response(200, "application/json", Self.bytes(done), close: true)), 0)
      plan(connection, .end, 1)
    case 16:
      head(connection, 200, "text/event-stream", chunked: true)
      if random.chance(50) { chunk(connection, ": nothing yet\n\n", after: 0) }
      plan(connection, random.chance(50) ? .end : .reset, random.below(20))
    case 17: plan(connection, .send(Array("HTTP/1.1 2x0 what\r\n\r\n".utf8)), 0)
    default:
      guard era == .legacy else { return reply(connection, 200, done) }
      let question = "q\(nextQuestion)"
      nextQuestion += 1
      questions[question] = (connection, id, text)
      let asked: [String: Any] = [
        "jsonrpc": "2.0", "id": question, "method": "sampling/createMessage",
        "params": ["messages": [], "maxTokens": 1],
      ]
      head(connection, 200, "text/event-stream", chunked: true)
      chunk(connection, "data: \(Self.text(asked))\n\n", after: 0)
    }
  }

  /// The client's answer to a question has come.
  private func answered(_ message: [String: Any], _ connection: Connection, _ random: inout SeededRandom) {
    reply(connection, 202, nil)
    guard let id = message["id"] as? String, let (asker, call, text) = questions.removeValue(forKey: id) else { return }
    chunk(asker, "data: \(Self.text(echo(call, text)))\n\n", after: random.below(5))
    chunk(asker, "", after: 0)
  }

  private func result(_ id: Any, _ result: [String: Any]) -> [String: Any] {
    var result = result
    if era == .modern {
      result.merge(["resultType": "complete", "ttlMs": 0, "cacheScope": "private"]) { own, _ in own }
    }
    return ["jsonrpc": "2.0", "id": id, "result": result]
  }

  private func echo(_ id: Any, _ text: String) -> [String: Any] {
    result(id, ["content": [["type": "text", "text": text]]])
  }

  private func refuse(_ connection: Connection, _ status: Int, _ id: Any, _ code: Int, _ text: String) {
    reply(connection, status, ["jsonrpc": "2.0", "id": id, "error": ["code": code, "message": text]])
  }

  // MARK: Bytes

  private func plan(_ connection: Connection, _ action: Action, _ delay: Int) {
    // In order, whatever the delays.
    connection.plan.append((max(connection.plan.last?.due ?? 0, tick + delay), action))
  }

  private func reply(
    _ connection: Connection, _ status: Int, _ message: [String: Any]?, headers: String = "", after: Int = 0
  ) {
    let bytes = Self.response(
      status, message == nil ? nil : "application/json", message.map(Self.bytes) ?? [], headers: headers)
    plan(connection, .send(bytes), after)
  }

  private func head(_ connection: Connection, _ status: Int, _ type: String, chunked: Bool) {
    let text = "HTTP/1.1 \(status) OK\r\nContent-Type: \(type)\r\nTransfer-Encoding: chunked\r\n\r\n"
    plan(connection, .send(Array(text.utf8)), 0)
  }

  /// Empty: the last one.
  private func chunk(_ connection: Connection, _ text: String, after: Int) {
    plan(connection, .send(Array("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n".utf8)), after)
  }

  private static func response(
    _ status: Int, _ type: String?, _ body: [UInt8], headers: String = "", close: Bool = false
  ) -> [UInt8] {
    let type = type.map { "Content-Type: \($0)\r\n" } ?? ""
    let end = close ? "Connection: close\r\n" : ""
    return Array("HTTP/1.1 \(status) X\r\n\(type)\(headers)\(end)Content-Length: \(body.count)\r\n\r\n".utf8) + body
  }

  static func text(_ message: [String: Any]) -> String { String(decoding: bytes(message), as: UTF8.self) }

  static func bytes(_ message: [String: Any]) -> [UInt8] {
    guard let data = try? JSONSerialization.data(withJSONObject: message, options: [.sortedKeys]) else { return [] }
    return Array(data)
  }
}
