import CWire
import Configuration
import MCP
import Testing

/// A server at the other end of the gateway's connections. It shakes hands, lists and takes notifications by itself; calls
/// wait for the test, which takes them with `next` and says what becomes of each.
final class BenchUpstream {
  enum Transport: CaseIterable, Sendable {
    case http, eventStream, webSocket
    /// A child, whose lines are the test's.
    case stdio
  }

  let alias: String
  let revision: Revision
  let transport: Transport
  var host: String { address ?? "\(alias).test" }
  /// Where it is found by a name that leads there; it is no server of its own.
  private(set) var address: String?
  /// Further members of its entry in the configuration.
  private let options: JSONValue
  let interceptor = Interceptor()
  /// The server that it is another endpoint of; nil where it is the first.
  private(set) weak var first: BenchUpstream?
  weak var bench: WorkerBench?

  // What it is.
  var capabilities: JSONValue = [
    "tools": ["listChanged": true], "prompts": ["listChanged": true],
    "resources": ["listChanged": true, "subscribe": true], "logging": [:], "completions": [:],
  ]
  var tools: [JSONValue] = [["name": "echo", "inputSchema": ["type": "object"]]]
  var prompts: [JSONValue] = [["name": "greet"]]
  var resources: [JSONValue] = [["uri": "test://a", "name": "a"]]
  /// What it does with requests of a method instead of what it would do by itself.
  private var scripts: [String: (BenchRequest) -> Void] = [:]
  /// What it answers in a session that it does not know: a status, the code of an error or nil for plain text, and the text.
  var forgets: (status: Int, code: Int?, text: String) = (404, -32600, "no such session")
  private var remembersSessions = true
  /// Connections are ended as they come.
  var refusesConnections = false
  /// Nobody listens where it was.
  var isAway = false { didSet { interceptor.refuse(isAway) } }

  // What has come.
  /// All requests and notifications, in order.
  private(set) var requests: [BenchRequest] = []
  /// Answers to what it asked.
  private(set) var responses: [JSONValue] = []
  /// What the gateway did that no server need understand.
  private(set) var problems: [String] = []
  private var untaken: [BenchRequest] = []
  private var connections: [UpstreamConnection] = []
  var sessions: Set<String> = []
  private var nextSession = 1
  private var nextQuestion = 1

  init(
    _ alias: String = "a", _ revision: Revision = .newestLegacy, over transport: Transport = .http,
    _ options: JSONValue = [:]
  ) {
    self.alias = alias
    self.revision = revision
    self.transport = transport
    self.options = options
  }

  /// A kind of server: what it speaks, and over what.
  struct Kind: CustomTestStringConvertible, Sendable {
    let revision: Revision
    let transport: Transport
    var testDescription: String { "\(revision.label) over \(transport)" }
  }

  /// The newest revision of each era over each transport to a URL that it has.
  static let kinds: [Kind] = [Revision.newestLegacy, .newest].flatMap { revision in
    [Transport.http, .eventStream, .webSocket].filter { $0 != .eventStream || revision.era == .legacy }.map {
      Kind(revision: revision, transport: $0)
    }
  }
  static let children = [Revision.newestLegacy, .newest].map { Kind(revision: $0, transport: .stdio) }

  convenience init(_ kind: Kind, _ options: JSONValue = [:]) {
    self.init("a", kind.revision, over: kind.transport, options)
  }

  /// Another endpoint of the same server, by the name of its host.
  convenience init(_ host: String, endpointOf first: BenchUpstream) {
    self.init(host, first.revision, over: first.transport)
    self.first = first
  }

  /// What answers at an address to which the name of a server leads.
  convenience init(at address: String, like first: BenchUpstream) {
    self.init(address, first.revision, over: first.transport)
    self.address = address
  }

  var era: Era { revision.era }

  /// Who shares a conversation with it; a client's file has no word for that.
  var isolation: GatewayConfiguration.Server.Isolation? { options["isolation"].string.flatMap { .init(rawValue: $0) } }

  /// Its entry in the configuration.
  var entry: JSONValue {
    let entry: JSONValue =
      switch transport {
      case .http: ["url": "http://\(host)/mcp"]
      case .eventStream: ["url": "http://\(host)/mcp", "type": "sse"]
      case .webSocket: ["url": "ws://\(host)/mcp"]
      case .stdio: ["command": .text(host)]
      }
    return options.adding(entry)
  }

  // MARK: For tests

  /// From now on this happens to requests of a method; nil: what it does by itself. `GET` is the request for a stream, `POST`
  /// whatever comes to a server of HTTP+SSE.
  func on(_ method: String, _ script: ((BenchRequest) -> Void)?) { scripts[method] = script }

  /// The earliest request that was left to the test, of that method, and that was not taken yet.
  func next(_ method: String = "tools/call") throws -> BenchRequest {
    guard let place = untaken.firstIndex(where: { $0.method == method }) else {
      let others = requests.map(\.method).joined(separator: ", ")
      throw WorkerBench.Failure(description: "\(alias) was sent no \(method), only: \(others)")
    }
    return untaken.remove(at: place)
  }

  func requests(_ method: String) -> [BenchRequest] { requests.filter { $0.method == method } }
  var calls: [BenchRequest] { requests("tools/call") }
  /// The ids of the requests that the gateway has cancelled.
  var cancelled: [JSONValue] { requests("notifications/cancelled").map { $0.params["requestId"] } }
  var connectionCount: Int { connections.count }

  /// Says something of no call, to all who listen.
  func notify(_ method: String, _ params: JSONValue = [:]) {
    for connection in connections where connection.listens {
      var message: JSONValue = ["jsonrpc": "2.0", "method": .text(method), "params": params]
      if let id = connection.listenID {
        message["params"]["_meta"] = ["io.modelcontextprotocol/subscriptionId": id]
      }
      connection.send(message)
    }
    bench?.settle()
  }

  /// Asks something in the course of no call, of all who listen.
  @discardableResult
  func ask(_ method: String, _ params: JSONValue = [:]) -> JSONValue {
    let id = questionID()
    let message: JSONValue = ["jsonrpc": "2.0", "id": id, "method": .text(method), "params": params]
    for connection in connections where connection.listens { connection.send(message) }
    bench?.settle()
    return id
  }

  /// Breaks all its connections, and forgets its sessions.
  func crash() {
    for connection in connections { connection.reset() }
    sessions = []
    bench?.settle()
  }

  /// While it is stalled it reads nothing, and takes nothing that it does not read.
  func stall(_ stalled: Bool) {
    for connection in connections { connection.isStalled = stalled }
    bench?.settle()
  }

  /// Forgets its sessions alone.
  /// - Parameter forGood: and each that it gives from now on.
  func forgetSessions(forGood: Bool = false) {
    sessions = []
    remembersSessions = !forGood
  }

  func questionID() -> JSONValue {
    defer { nextQuestion += 1 }
    return .text("\(alias)-question-\(nextQuestion)")
  }

  // MARK: Turns

  func step() -> Bool {
    var moved = false
    for peer in interceptor.takeArrived() {
      moved = true
      if refusesConnections {
        peer.reset()
      } else {
        connections.append(UpstreamConnection(peer, of: self))
      }
    }
    for connection in connections where connection.step() { moved = true }
    connections.removeAll { $0.hasEnded }
    return moved
  }

  func report(_ problem: String) { problems.append(problem) }

  // MARK: What comes

  /// An HTTP request.
  func receive(_ request: HTTPMessage, on connection: UpstreamConnection) {
    switch request.method {
    case "POST":
      guard let message = JSONValue(parsing: request.body) else {
        report("a POST that is no JSON: \(String(decoding: request.body, as: UTF8.self))")
        return connection.reply(400, nil)
      }
      if transport == .eventStream {
        if let script = scripts["POST"] { return script(BenchRequest(message, request, on: connection, of: self)) }
        connection.reply(202, nil)
        guard let stream = connections.first(where: { $0.messagesPath == request.target }) else { return }
        return receive(message, request, on: stream)
      }
      receive(message, request, on: connection)
    case "GET" where transport == .webSocket:
      connection.openSocket(request)
    case "GET" where transport == .eventStream:
      connection.openConversation(messagesPath: "/messages/\(nextSession)")
      nextSession += 1
    case "GET" where era == .legacy:
      let get = BenchRequest(["method": "GET"], request, on: connection, of: self)
      requests.append(get)
      if let script = scripts["GET"] { return script(get) }
      connection.openStream()
      connection.listens = true
    case "DELETE":
      requests.append(BenchRequest(["method": "DELETE"], request, on: connection, of: self))
      sessions.remove(request.headers["mcp-session-id"] ?? "")
      connection.reply(200, nil)
    default:
      connection.reply(405, nil)
    }
  }

  /// A message, over whatever.
  func receive(_ message: JSONValue, _ head: HTTPMessage?, on connection: UpstreamConnection) {
    guard message["method"] != .null else {
      responses.append(message)
      return connection.accept()
    }
    let request = BenchRequest(message, head, on: connection, of: self)
    requests.append(request)
    if let script = scripts[request.method] { return script(request) }
    if request.id == .null { return connection.accept() }
    if let refusal = refusal(of: request) { return refusal() }
    guard !answerAlone(request) else { return }
    untaken.append(request)
  }

  /// What a server of this era has against it.
  private func refusal(of request: BenchRequest) -> (() -> Void)? {
    guard (request.method == "server/discover") == (era == .modern && request.method == "server/discover"),
      (request.method == "initialize") == (era == .legacy && request.method == "initialize")
    else { return { request.fail(-32601, "Method not found", status: self.era == .modern ? 404 : 400) } }
    guard transport == .http, era == .legacy, request.method != "initialize" else { return nil }
    if let session = request.session, sessions.contains(session) { return nil }
    let (status, code, text) = forgets
    guard let code else { return { request.refuse(status, text: text) } }
    return { request.fail(code, text, status: status) }
  }

  /// Takes a listen of the gateway's.
  func listen(_ request: BenchRequest) {
    request.connection.listens = true
    request.connection.listenID = request.id
    let meta: JSONValue = ["io.modelcontextprotocol/subscriptionId": request.id]
    request.notify(
      "notifications/subscriptions/acknowledged", ["_meta": meta, "notifications": request.params["notifications"]])
  }

  private func answerAlone(_ request: BenchRequest) -> Bool {
    switch request.method {
    case "server/discover":
      request.answer(["supportedVersions": [.text("\(revision.label)")], "capabilities": capabilities])
    case "initialize":
      let result: JSONValue = [
        "protocolVersion": .text("\(revision.label)"), "capabilities": capabilities,
        "serverInfo": ["name": .text(alias), "version": "1"],
      ]
      guard transport == .http else {
        request.answer(result)
        return true
      }
      let session = "\(alias)-\(nextSession)"
      nextSession += 1
      if remembersSessions { sessions.insert(session) }
      request.answer(result, headers: ["Mcp-Session-Id: \(session)"])
    case "tools/list": request.answer(["tools": .array(tools)])
    case "prompts/list": request.answer(["prompts": .array(prompts)])
    case "resources/list": request.answer(["resources": .array(resources)])
    case "resources/templates/list": request.answer(["resourceTemplates": []])
    case "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe": request.answer([:])
    case "subscriptions/listen": listen(request)
    default: return false
    }
    return true
  }
}

/// A request of the gateway's as a server has it in hand.
final class BenchRequest {
  let message: JSONValue
  /// Of an HTTP request, the names in lower case.
  let headers: [String: String]
  /// The path and query of an HTTP request.
  let target: String
  unowned let upstream: BenchUpstream
  let connection: UpstreamConnection
  private var hasEvents = false

  init(_ message: JSONValue, _ head: HTTPMessage?, on connection: UpstreamConnection, of upstream: BenchUpstream) {
    self.message = message
    headers = head?.headers ?? [:]
    target = head?.target ?? ""
    self.connection = connection
    self.upstream = upstream
  }

  var method: String { message["method"].string ?? "" }
  var params: JSONValue { message["params"] }
  var id: JSONValue { message["id"] }
  var session: String? { headers["mcp-session-id"] }
  var progressToken: JSONValue { params["_meta"]["progressToken"] }
  /// The gateway has ended the connection that it came by.
  var isGone: Bool { connection.hasEnded }

  /// The gateway has told the server that it need not go on: by a word, or by the end of the connection.
  var isWithdrawn: Bool { isGone || upstream.cancelled.contains(id) }

  /// The response. What a modern result must say besides is added.
  func answer(_ result: JSONValue, headers: [String] = [], eventID: String? = nil) {
    var result = result
    if upstream.era == .modern {
      result = result.adding(["resultType": "complete", "ttlMs": 0, "cacheScope": "private"])
    }
    respond(["jsonrpc": "2.0", "id": id, "result": result], 200, headers, eventID)
  }

  /// The response is an error.
  func fail(_ code: Int, _ text: String, data: JSONValue = .null, status: Int = 200) {
    var error: JSONValue = ["code": .number(Double(code)), "message": .text(text)]
    if data != .null { error["data"] = data }
    respond(["jsonrpc": "2.0", "id": id, "error": error], status, [], nil)
  }

  private func respond(_ message: JSONValue, _ status: Int, _ headers: [String], _ eventID: String?) {
    if hasEvents {
      send(message, eventID: eventID)
      return endStream()
    }
    connection.reply(status, message, headers: headers)
    upstream.bench?.settle()
  }

  /// An HTTP status without a message.
  /// - Parameter text: says why to people.
  func refuse(_ status: Int, headers: [String] = [], text: String = "") {
    connection.reply(status, nil, headers: headers, text: text)
    upstream.bench?.settle()
  }

  /// A message before the response: over HTTP the answer is a stream of events from here on.
  func send(_ message: JSONValue, eventID: String? = nil) {
    beginEvents()
    connection.send(message, eventID: eventID)
    upstream.bench?.settle()
  }

  /// Over HTTP the answer is a stream of events from here on.
  func beginEvents() {
    if !hasEvents, upstream.transport == .http {
      hasEvents = true
      connection.openStream()
      upstream.bench?.settle()
    }
  }

  func notify(_ method: String, _ params: JSONValue = [:], eventID: String? = nil) {
    send(["jsonrpc": "2.0", "method": .text(method), "params": params], eventID: eventID)
  }

  func progress(_ progress: Double, token: JSONValue? = nil) {
    notify("notifications/progress", ["progressToken": token ?? progressToken, "progress": .number(progress)])
  }

  /// Asks the client something in the course of the call; the answer comes to the upstream's `responses`.
  @discardableResult
  func ask(_ method: String, _ params: JSONValue = [:]) -> JSONValue {
    let id = upstream.questionID()
    send(["jsonrpc": "2.0", "id": id, "method": .text(method), "params": params])
    return id
  }

  /// Ends the stream of events without a response.
  func endStream() {
    connection.endStream()
    upstream.bench?.settle()
  }

  /// Some bytes that are no whole answer.
  func sendRaw(_ text: String) {
    connection.peer.send(Array(text.utf8))
    upstream.bench?.settle()
  }

  /// The connection breaks.
  func reset() {
    connection.reset()
    upstream.bench?.settle()
  }

  /// The server ends the connection in order, without a word.
  func hangUp() {
    connection.end()
    upstream.bench?.settle()
  }
}
