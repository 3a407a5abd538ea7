import CWire
import MCP
import Testing

/// A client of the gateway's, over one of its transports. Each of its requests comes back as a `BenchCall`, which tells
/// what has become of it.
final class BenchClient {
  enum Transport: CaseIterable, Sendable {
    case http, eventStream, webSocket
  }

  /// A kind of client: what it speaks, and over what.
  struct Kind: CustomTestStringConvertible, Sendable {
    let revision: Revision
    let transport: Transport
    var testDescription: String { "\(revision.label) over \(transport)" }
  }

  /// Every revision over each transport that it has.
  static let kinds: [Kind] = Revision.allCases.flatMap { revision in
    Transport.allCases.filter { $0 != .eventStream || revision == .r20241105 }.map {
      Kind(revision: revision, transport: $0)
    }
  }

  let revision: Revision
  let transport: Transport
  let abilities: JSONValue
  /// That to which it connects.
  private(set) var worker: Int
  var path = "/mcp"
  /// Further header lines of every request.
  var headers: [String] = []
  private(set) var token: String?
  /// Where the messages of HTTP+SSE are POSTed to.
  private(set) var messagesPath: String?
  /// All that came beside responses, by whichever way.
  private(set) var heard: [JSONValue] = []
  /// The WebSocket, or the stream of HTTP+SSE.
  private(set) var conversation: ClientConnection?
  private weak var bench: WorkerBench?
  private var connections: [ClientConnection] = []
  private var nextID = 1
  private var waiting: [String: BenchCall] = [:]

  init(_ revision: Revision, _ transport: Transport, worker: Int, abilities: JSONValue, on bench: WorkerBench) {
    self.revision = revision
    self.transport = transport
    self.worker = worker
    self.abilities = abilities
    self.bench = bench
  }

  private var isModern: Bool { revision.era == .modern }

  // MARK: Opening and closing

  /// Connects, and opens a session if its revision has any.
  func open() throws {
    try connect()
    guard !isModern else { return }
    let call = initialize()
    guard call.result != .null else { throw WorkerBench.Failure(description: "no session was opened: \(call)") }
    token = call.headers["mcp-session-id"]
    notify("notifications/initialized")
  }

  /// Opens the WebSocket, or the stream of HTTP+SSE.
  func connect() throws {
    switch transport {
    case .http: return
    case .webSocket:
      let call = BenchCall(.null)
      let socket = begin(call, "GET", path + "/ws", Self.upgrade, nil)
      bench?.settle()
      guard call.status == 101 else { throw WorkerBench.Failure(description: "no WebSocket: \(call.status)") }
      conversation = socket
    case .eventStream:
      let call = BenchCall(.null)
      let stream = begin(call, "GET", path + "/sse", [], nil)
      conversation = stream
      bench?.settle()
      guard let endpoint = call.endpoint else {
        throw WorkerBench.Failure(description: "no endpoint on the stream: \(call.status)")
      }
      messagesPath = endpoint
    }
  }

  private static let upgrade = [
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: mcp",
  ]

  @discardableResult
  func initialize() -> BenchCall {
    request(
      "initialize",
      [
        "protocolVersion": .text("\(revision.label)"), "capabilities": abilities,
        "clientInfo": ["name": "bench", "version": "1"],
      ])
  }

  /// Ends its session as its revision has it, over HTTP with DELETE.
  @discardableResult
  func endSession() -> BenchCall {
    let call = BenchCall(.null)
    begin(call, "DELETE", path, sessionHeaders, nil)
    bench?.settle()
    return call
  }

  /// Ends its session if it has one, and leaves.
  func finish() {
    if transport == .http, token != nil { endSession() }
    leave()
  }

  /// All its connections end in order.
  func leave() {
    for connection in connections { connection.end() }
    bench?.settle()
  }

  /// Whatever it sends from now on comes to that worker, on connections of its own; what it waits for it still awaits.
  func move(to worker: Int) {
    self.worker = worker
    for connection in connections where connection.isFree { connection.end() }
    bench?.settle()
  }

  /// All its connections break.
  func vanish() {
    for connection in connections { connection.reset() }
    bench?.settle()
  }

  // MARK: Saying something

  @discardableResult
  func call(_ tool: String, _ arguments: JSONValue = [:], progress token: JSONValue = .null) -> BenchCall {
    var params: JSONValue = ["name": .text(tool), "arguments": arguments]
    if token != .null { params["_meta"] = ["progressToken": token] }
    return request("tools/call", params)
  }

  @discardableResult
  func request(_ method: String, _ params: JSONValue = [:], headers: [String] = []) -> BenchCall {
    let id = JSONValue.number(Double(nextID))
    nextID += 1
    let call = BenchCall(id)
    waiting[id.description] = call
    let message: JSONValue = ["jsonrpc": "2.0", "id": id, "method": .text(method), "params": addingMeta(params)]
    send(message, headers: headers, for: call)
    return call
  }

  func notify(_ method: String, _ params: JSONValue = [:]) {
    send(["jsonrpc": "2.0", "method": .text(method), "params": params])
  }

  /// Several messages in one, as revision 2025-03-26 has it.
  @discardableResult
  func batch(_ messages: [JSONValue]) -> BenchCall { send(.array(messages)) }

  /// Answers what a server has asked.
  func respond(to question: JSONValue, _ result: JSONValue) {
    send(["jsonrpc": "2.0", "id": question["id"], "result": result])
  }

  /// Cancels one of its calls, as its revision and transport have it.
  func cancel(_ call: BenchCall) {
    if isModern, transport == .http { return call.vanish() }
    let cancelled: JSONValue = ["requestId": call.id]
    notify("notifications/cancelled", isModern ? addingMeta(cancelled) : cancelled)
  }

  /// A message as it is. What is answered to it comes to `call`.
  @discardableResult
  func send(_ message: JSONValue, headers: [String] = [], for call: BenchCall = BenchCall(.null)) -> BenchCall {
    switch transport {
    case .http:
      begin(call, "POST", path, sessionHeaders + modernHeaders(message) + headers, message)
      call.client = self
    case .eventStream:
      begin(BenchCall(.null), "POST", messagesPath ?? "", headers, message)
    case .webSocket:
      conversation?.sendFrame(message.bytes)
    }
    bench?.settle()
    return call
  }

  /// GET of a session: listens to what is said of no call, or takes up a stream behind one of its events.
  @discardableResult
  func listen(after eventID: String? = nil) -> BenchCall {
    let call = BenchCall(.null)
    begin(call, "GET", path, sessionHeaders + (eventID.map { ["Last-Event-ID: \($0)"] } ?? []), nil)
    bench?.settle()
    return call
  }

  private func addingMeta(_ params: JSONValue) -> JSONValue {
    guard isModern else { return params }
    let prefix = "io.modelcontextprotocol/"
    let meta: JSONValue = .object([
      prefix + "protocolVersion": .text("\(revision.label)"), prefix + "clientCapabilities": abilities,
      prefix + "clientInfo": ["name": "bench", "version": "1"],
    ])
    var params = params
    params["_meta"] = params["_meta"] == .null ? meta : params["_meta"].adding(meta)
    return params
  }

  private var sessionHeaders: [String] {
    guard !isModern else { return [] }
    var lines = token.map { ["Mcp-Session-Id: \($0)"] } ?? []
    if revision.hasVersionHeader, token != nil { lines.append("MCP-Protocol-Version: \(revision.label)") }
    return lines
  }

  private func modernHeaders(_ message: JSONValue) -> [String] {
    guard isModern, let method = message["method"].string else { return [] }
    var lines = ["MCP-Protocol-Version: \(revision.label)", "Mcp-Method: \(method)"]
    if let name = (message["params"]["name"].string ?? message["params"]["uri"].string) {
      lines.append("Mcp-Name: \(name)")
    }
    return lines
  }

  // MARK: HTTP

  /// Sends a request over a connection that is free, or over a new one.
  @discardableResult
  private func begin(
    _ call: BenchCall, _ method: String, _ path: String, _ lines: [String], _ body: JSONValue?
  ) -> ClientConnection? {
    guard let connection = connections.first(where: \.isFree) ?? makeConnection() else {
      call.isOver = true
      return nil
    }
    var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n"
    let body = body?.bytes
    for line in lines + headers { head += line + "\r\n" }
    if let body { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
    connection.begin(call, Array((head + "\r\n").utf8) + (body ?? []))
    call.connection = connection
    return connection
  }

  private func makeConnection() -> ClientConnection? {
    guard let peer = bench?.connect(to: worker) else { return nil }
    let connection = ClientConnection(peer, of: self)
    connections.append(connection)
    return connection
  }

  // MARK: Turns

  func step() -> Bool {
    var moved = false
    for connection in connections where connection.step() { moved = true }
    connections.removeAll { $0.hasEnded }
    return moved
  }

  func settle() { bench?.settle() }

  /// A message of a conversation or a stream, with the call on whose answer it came.
  func receive(_ message: JSONValue, for call: BenchCall?) {
    for message in message.items.isEmpty ? [message] : message.items {
      guard message["method"] == .null else {
        heard.append(message)
        call?.messages.append(message)
        continue
      }
      let asker = waiting.removeValue(forKey: message["id"].description)
      asker?.take(message)
      if call !== asker { call?.messages.append(message) }
      if call == nil, asker == nil { heard.append(message) }
    }
  }
}

/// A request of a client's and what has come of it.
final class BenchCall: CustomStringConvertible {
  let id: JSONValue
  /// Of the HTTP answer; 0: there is none yet.
  private(set) var status = 0
  private(set) var headers: [String: String] = [:]
  /// What came on the answer beside the response.
  var messages: [JSONValue] = []
  /// The responses: more than one would be too many.
  private(set) var responses: [JSONValue] = []
  /// The ids of the events of a stream.
  private(set) var eventIDs: [String] = []
  /// Lines of a stream that say nothing but that it lives.
  private(set) var heartbeats = 0
  /// What the first event of HTTP+SSE names.
  private(set) var endpoint: String?
  /// Whole, or its connection has ended.
  var isOver = false
  /// Its connection has ended before the answer was whole.
  private(set) var isBroken = false
  var connection: ClientConnection?
  weak var client: BenchClient?
  private var seenBytes = 0

  init(_ id: JSONValue) { self.id = id }

  var response: JSONValue { responses.first ?? .null }
  var result: JSONValue { response["result"] }
  var error: JSONValue { response["error"] }
  var isStream: Bool { headers["content-type"]?.hasPrefix("text/event-stream") ?? false }

  var description: String { "\(status) \(response), \(messages.count) other messages\(isOver ? "" : ", not over")" }

  /// The client gives it up: its connection breaks.
  func vanish() {
    connection?.reset()
    connection?.client.settle()
  }

  func take(_ response: JSONValue) {
    responses.append(response)
    if connection == nil { isOver = true }
  }

  /// The answer as far as it has come.
  func look(at answer: HTTPMessage, for client: BenchClient) {
    status = answer.status
    headers = answer.headers
    if isStream { readEvents(answer.body, for: client) }
    guard answer.isComplete, !isOver else { return }
    isOver = true
    if !isStream, let message = JSONValue(parsing: answer.body) { client.receive(message, for: self) }
    // An error for want of a readable id has none.
    if !isStream, responses.isEmpty, let message = JSONValue(parsing: answer.body) { responses.append(message) }
  }

  private func readEvents(_ body: [UInt8], for client: BenchClient) {
    while let end = Self.endOfBlock(in: body[seenBytes...]) {
      let block = String(decoding: body[seenBytes..<end], as: UTF8.self)
      seenBytes = end
      var data: [Substring] = []
      var isEndpoint = false
      for line in block.split(separator: "\n") {
        if line.hasPrefix(":") { heartbeats += 1 }
        if line.hasPrefix("id: ") { eventIDs.append(String(line.dropFirst(4))) }
        if line == "event: endpoint" { isEndpoint = true }
        if line.hasPrefix("data: ") { data.append(line.dropFirst(6)) }
      }
      let text = data.joined(separator: "\n")
      if isEndpoint {
        endpoint = text
      } else if !text.isEmpty, let message = JSONValue(parsing: Array(text.utf8)) {
        client.receive(message, for: self)
      }
    }
  }

  private static func endOfBlock(in bytes: ArraySlice<UInt8>) -> Int? {
    let newline = UInt8(ascii: "\n")
    return bytes.indices.dropLast().first { bytes[$0] == newline && bytes[$0 + 1] == newline }.map { $0 + 2 }
  }

  func lose() {
    guard !isOver else { return }
    isOver = true
    isBroken = true
  }
}

/// A client's end of a connection.
final class ClientConnection {
  let peer: MemoryPeer
  unowned let client: BenchClient
  private var reader = HTTPReader(requests: false)
  private var frames: FrameReader?
  private var call: BenchCall?
  private(set) var hasEnded = false
  /// Of a WebSocket that the gateway has closed.
  var closeCode: UInt16? { frames?.closeCode }

  init(_ peer: MemoryPeer, of client: BenchClient) {
    self.peer = peer
    self.client = client
  }

  var isFree: Bool { call == nil && frames == nil && !hasEnded }

  func begin(_ call: BenchCall, _ bytes: [UInt8]) {
    self.call = call
    peer.send(bytes)
  }

  func sendFrame(_ bytes: [UInt8]) {
    peer.send(WebSocketFrame.bytes(CWIRE_WS_TEXT, bytes, mask: [1, 2, 3, 4]))
  }

  func step() -> Bool {
    let bytes = peer.take()
    if frames != nil {
      read(bytes)
    } else if !bytes.isEmpty {
      reader.feed(bytes)
    }
    if peer.isEnded { reader.end() }
    if let call, let current = reader.current {
      call.look(at: current, for: client)
      if reader.takeMessage() != nil {
        self.call = nil
        if current.status == 101 {
          frames = FrameReader(CWIRE_WS_SERVER)
          read(reader.takeRest())
        }
      }
    }
    let ends = peer.isEnded && !hasEnded
    if ends {
      hasEnded = true
      call?.lose()
    }
    return !bytes.isEmpty || ends
  }

  private func read(_ bytes: [UInt8]) {
    for bytes in frames?.messages(in: bytes) ?? [] {
      if let message = JSONValue(parsing: bytes) { client.receive(message, for: nil) }
    }
    if frames?.closeCode != nil { peer.end() }
  }

  func end() {
    if frames != nil, frames?.closeCode == nil { peer.send(WebSocketFrame.close(1000, mask: [1, 2, 3, 4])) }
    peer.end()
  }

  func reset() {
    peer.reset()
    hasEnded = true
    call?.lose()
  }
}
