import CReactor
import CWire
import Configuration
import ConfigurationLoading
import Foundation

@testable import Reactor
@testable import WorkerBench

/// One run: some workers, clients and upstreams that do what a seed says, and what must hold of it.
final class Simulation {
  private var random: SeededRandom
  private let upstreams: [String: ScriptedUpstream]
  private let gateway: BenchGateway
  /// Its servers die, and are started again.
  private let goesAway: Bool
  private let secureListeners: [MemoryListener]
  private var connections: [SimulatedConnection] = []
  private var sessions: [SimulatedSession] = []
  /// Streams of calls that broke and can be taken up again.
  private var broken: [SimulatedCall] = []
  private var calls: [SimulatedCall] = []
  private var nextID = 1
  private var clock: UInt64 = 0
  private(set) var problems: [String] = []
  /// Results that came, by the way they came.
  private(set) var results: [SimulatedCall.Way: Int] = [:]

  init(seed: UInt64) throws {
    random = SeededRandom(state: seed)
    var upstreams: [String: ScriptedUpstream] = [:]
    if seed % 8 != 0 {
      upstreams["alpha"] = ScriptedUpstream(.legacy)
      if seed % 2 == 0 { upstreams["beta"] = ScriptedUpstream(.modern) }
    }
    let aliases = upstreams.keys.sorted()
    // Servers with several endpoints, which go and come back.
    let endpoints = seed % 3 == 1 ? 1 + random.below(3) : 1
    for (alias, first) in upstreams {
      for number in 1..<endpoints { upstreams["\(alias)-\(number)"] = ScriptedUpstream(besides: first) }
    }
    goesAway = seed % 3 == 1
    self.upstreams = upstreams
    gateway = try BenchGateway(
      Self.configuration(aliases, endpoints: endpoints, &random), workers: 1 + random.below(3),
      hosts: Dictionary(uniqueKeysWithValues: upstreams.map { ("\($0).test", $1.interceptor) }))
    secureListeners = gateway.listen(as: SimulatedIdentity.context)
  }

  private static func configuration(
    _ aliases: [String], endpoints: Int, _ random: inout SeededRandom
  ) throws -> GatewayConfiguration {
    var inputs = ConfigurationInputs()
    let servers = aliases.map { "\"\($0)\": {\"url\": \"http://\($0).test/mcp\"}" }
    inputs.clientTexts = ["{\"mcpServers\": {\(servers.joined(separator: ", "))}}"]
    var configuration = try ConfigurationLoader.load(inputs, environment: [:]).configuration
    configuration.prefix = .always
    configuration.callTimeout = .seconds(5)
    configuration.callTimeoutCeiling = .seconds(10)
    configuration.interactionTimeout = .seconds(20)
    configuration.sessions.idleTimeout = .seconds(120)
    configuration.sessions.resumeWindow = .seconds(10)
    let algorithm = GatewayConfiguration.Routing.Algorithm.allCases[random.below(3)]
    for index in configuration.servers.indices {
      let alias = configuration.servers[index].alias
      configuration.servers[index].routing.algorithm = algorithm
      for number in 1..<endpoints {
        try configuration.servers[index].add(endpoint: "http://\(alias)-\(number).test/mcp")
      }
    }
    // Mostly fewer connections than calls.
    if random.chance(75) {
      for place in configuration.servers.indices { narrow(&configuration.servers[place].pool, &random) }
    }
    return configuration
  }

  private static func narrow(_ pool: inout GatewayConfiguration.Pool, _ random: inout SeededRandom) {
    pool.size = 1 + random.below(4)
    pool.overflow = random.below(3)
    pool.strategy = random.chance(50) ? .fifo : .lifo
    pool.checkoutTimeout = .milliseconds(200 + random.below(6000))
    pool.idleTimeout = .milliseconds(1000 + random.below(20_000))
    pool.maximumAge = random.chance(50) ? .milliseconds(500 + random.below(10_000)) : nil
    pool.minimumIdle = random.below(pool.size + 1)
  }

  /// Does what the seed says, for so many steps, and looks at what is left.
  func run(steps: Int) {
    guard wait(advancing: 1, until: { gateway.isReady }) else {
      return problems.append("the upstreams were never ready")
    }
    for upstream in upstreams.values { upstream.misbehaves = true }
    let drains = random.chance(25) ? random.below(steps) : steps
    for step in 0..<steps where problems.isEmpty {
      if step == drains { gateway.drain() }
      act()
    }
    if problems.isEmpty { end() }
  }

  // MARK: Turns

  private func turn() -> Bool {
    var moved = false
    for loop in gateway.loops.shuffled(using: &random) where loop.step() { moved = true }
    for alias in upstreams.keys.sorted() {
      guard let upstream = upstreams[alias] else { continue }
      if upstream.step(&random) { moved = true }
      for problem in upstream.problems { report("\(alias) was sent \(problem)") }
    }
    for connection in connections where read(connection) { moved = true }
    connections.removeAll { $0.hasEnded }
    return moved
  }

  private func settle() {
    var idle = 0
    for _ in 0..<20_000 {
      idle = turn() ? 0 : idle + 1
      if idle == 3 { return }
    }
    report("it never comes to rest")
  }

  /// Lets turns and time pass until something holds. The control plane's tasks begin on threads of the system, which the
  /// seed does not decide: they are waited for.
  private func wait(advancing milliseconds: UInt64, until condition: () -> Bool) -> Bool {
    // Tasks of the control plane begin on the pool that all tests share: on a small and busy machine they may wait for it.
    let patience = ContinuousClock.now + .seconds(300)
    while !condition(), problems.isEmpty, ContinuousClock.now < patience {
      settle()
      advance(milliseconds)
      sched_yield()
    }
    return condition()
  }

  private func report(_ problem: String) {
    if problems.count < 5, !problems.contains(problem) { problems.append(problem) }
  }

  // MARK: The script

  private func act() {
    if !broken.isEmpty, random.chance(40) { listen() }
    switch random.below(100) {
    case 0..<12: openSession()
    case 12..<40: legacyCall()
    case 40..<48: modernCall()
    case 48..<51: openSocket()
    case 51..<58: socketMessage()
    case 58..<60: listen()
    case 88..<93: listen()
    case 93..<95: stall()
    case 95..<96: for connection in connections { connection.peer.updateKeys() }
    case 60..<64: deleteSession()
    case 64..<66: garbage()
    case 66..<74: vanish()
    case 74..<76: upstreams["alpha"]?.announce()
    case 76..<78 where goesAway: comeAndGo()
    case 76..<84: advance(UInt64(random.below(300)))
    case 84..<87: advance(UInt64(1000 + random.below(3000)))
    case 87..<88: advance(UInt64(11_000 + random.below(10_000)))
    default: for _ in 0..<random.below(20) { _ = turn() }
    }
    if random.chance(50) { _ = turn() }
  }

  /// An endpoint dies, or is there again.
  private func comeAndGo() {
    let aliases = upstreams.keys.sorted()
    guard !aliases.isEmpty, let upstream = upstreams[aliases[random.below(aliases.count)]] else { return }
    upstream.turn(away: !upstream.isAway)
  }

  /// The clients stop, and so do the upstreams' bad days; nothing may be left in the end.
  private func end() {
    for upstream in upstreams.values {
      upstream.misbehaves = false
      if upstream.isAway { upstream.turn(away: false) }
    }
    for connection in connections { connection.peer.stall(false) }
    settle()
    for _ in 0..<60 {
      advance(500)
      settle()
    }
    for call in calls where !call.isOver { report("call \(call.id) got no answer, and its connection goes on") }
    for connection in connections { connection.peer.end() }
    settle()
    for connection in connections where !connection.hasEnded { connection.peer.reset() }
    settle()
    for _ in 0..<70 {
      advance(2000)
      settle()
    }
    for leftover in gateway.leftovers(ended: false) { report("left over: \(leftover)") }
    gateway.beginEnding()
    settle()
    gateway.finishEnding()
    _ = wait(advancing: 100) { gateway.leftovers(ended: true).isEmpty }
    for leftover in gateway.leftovers(ended: true) { report("left over after the end: \(leftover)") }
    gateway.dissolve()
  }

  // MARK: Requests

  private func connection() -> SimulatedConnection? {
    let free = connections.filter(\.isFree)
    if !free.isEmpty, random.chance(60) { return free[random.below(free.count)] }
    let worker = random.below(gateway.workerCount)
    let faults = cr_fault_plan(
      max_write: random.chance(15) ? UInt32(1 + random.below(100)) : 0, again_every: random.chance(15) ? 2 : 0,
      reset_after: random.chance(3) ? UInt64(1 + random.below(2000)) : 0)
    let peer: MemoryPeer?
    if random.chance(30) {
      let habits = habits()
      peer = secureListeners[worker].connect(faults).map { SecurePeer($0, habits) }
    } else {
      peer = gateway.accept(on: worker, faults)
    }
    guard let peer else { return nil }
    // Sooner than the gateway's `write_timeout`; one that is to be reset may end at any time.
    let patience = faults.reset_after > 0 ? 0 : clock + 25_000
    let made = SimulatedConnection(peer, worker: worker, patience: patience)
    connections.append(made)
    return made
  }

  private func habits() -> SecurePeer.Habits {
    SecurePeer.Habits(
      slice: random.chance(50) ? 1 + random.below(1000) : 0, gulp: random.chance(30) ? 500 + random.below(8000) : 0,
      window: random.chance(50) ? 200 + random.below(50_000) : 0, speaksOldTLS: random.chance(20))
  }

  private func advance(_ milliseconds: UInt64) {
    clock += milliseconds
    gateway.advance(milliseconds)
  }

  private func send(
    _ connection: SimulatedConnection, _ method: String, _ message: [String: Any]?, _ headers: [String] = []
  ) {
    var head = "\(method) /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n"
    for header in headers { head += header + "\r\n" }
    let body = message.map(ScriptedUpstream.bytes) ?? []
    if message != nil { head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
    let bytes = Array((head + "\r\n").utf8) + body
    guard random.chance(15) else { return connection.peer.send(bytes) }
    let cut = random.below(bytes.count)
    connection.peer.send(Array(bytes[..<cut]))
    _ = turn()
    connection.peer.send(Array(bytes[cut...]))
  }

  private func makeCall(_ way: SimulatedCall.Way, _ text: String?, _ session: SimulatedSession?) -> SimulatedCall {
    let call = SimulatedCall(id: nextID, way: way, text: text, session: session)
    nextID += 1
    calls.append(call)
    return call
  }

  private func openSession() {
    guard let connection = connection() else { return }
    let session = SimulatedSession()
    let call = makeCall(.initialize, nil, session)
    connection.use = .opening(session, call)
    send(connection, "POST", initializeMessage(call))
  }

  private func initializeMessage(_ call: SimulatedCall) -> [String: Any] {
    [
      "jsonrpc": "2.0", "id": call.id, "method": "initialize",
      "params": [
        "protocolVersion": "2025-11-25", "capabilities": ["sampling": [:]],
        "clientInfo": ["name": "simulated", "version": "1"],
      ],
    ]
  }

  private func anySession(_ wanted: SimulatedSession? = nil) -> (SimulatedSession, [String])? {
    let open = sessions.filter { !$0.isDeleted }
    guard !open.isEmpty else { return nil }
    let session = open.first { $0 === wanted } ?? open[random.below(open.count)]
    return (session, ["Mcp-Session-Id: \(session.token ?? "")", "MCP-Protocol-Version: 2025-11-25"])
  }

  /// The name of an echo tool and what it is to say.
  private func echo() -> (name: String, text: String) {
    let aliases = upstreams.keys.filter { !$0.contains("-") }.sorted()
    let alias = aliases.isEmpty ? "demo" : aliases[random.below(aliases.count)]
    return ("\(alias)__echo", "text \(nextID)" + String(repeating: "x", count: random.chance(5) ? 100_000 : 0))
  }

  private func legacyCall() {
    guard let (session, headers) = anySession(), let connection = connection() else { return }
    var message: [String: Any] = ["jsonrpc": "2.0"]
    switch random.below(10) {
    case 0:
      message["method"] = "notifications/initialized"
      connection.use = .acknowledgement
      return send(connection, "POST", message, headers)
    case 1:
      message["method"] = "notifications/cancelled"
      message["params"] = ["requestId": max(1, nextID - 1 - random.below(5))]
      connection.use = .acknowledgement
      return send(connection, "POST", message, headers)
    default:
      let (call, message) = legacyMessage(session)
      connection.use = .call(call)
      send(connection, "POST", message, headers)
    }
  }

  private func modernCall() {
    guard let connection = connection() else { return }
    let (call, message, headers) = modernMessage()
    connection.use = .call(call)
    send(connection, "POST", message, headers)
  }

  private func modernMessage() -> (SimulatedCall, [String: Any], [String]) {
    let (name, text) = echo()
    let isCall = random.chance(70)
    let call = makeCall(.modern, isCall ? text : nil, nil)
    let prefix = "io.modelcontextprotocol/"
    let meta: [String: Any] = [
      prefix + "protocolVersion": "2026-07-28", prefix + "clientCapabilities": [:],
      prefix + "clientInfo": ["name": "simulated", "version": "1"],
    ]
    let method = isCall ? "tools/call" : "tools/list"
    var parameters: [String: Any] = ["_meta": meta]
    var headers = ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: \(method)"]
    if isCall {
      parameters["name"] = name
      parameters["arguments"] = ["text": text]
      headers.append("Mcp-Name: \(name)")
    }
    return (call, ["jsonrpc": "2.0", "id": call.id, "method": method, "params": parameters], headers)
  }

  private func legacyMessage(_ session: SimulatedSession?) -> (SimulatedCall, [String: Any]) {
    var message: [String: Any] = ["jsonrpc": "2.0"]
    let isCall = random.chance(75)
    let (name, text) = echo()
    let call = makeCall(.legacy, isCall ? text : nil, session)
    message["id"] = call.id
    message["method"] = isCall ? "tools/call" : random.chance(50) ? "tools/list" : "ping"
    if isCall {
      message["params"] = ["name": name, "arguments": ["text": text], "_meta": ["progressToken": call.id]]
    }
    return (call, message)
  }

  private func openSocket() {
    guard let connection = connection() else { return }
    connection.use = .socket(SimulatedSocket(isLegacy: random.chance(60)), isOpen: false)
    let head =
      "GET /mcp/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n"
    connection.peer.send(Array(head.utf8))
  }

  /// Something on one of the open WebSockets.
  private func socketMessage() {
    let open = connections.compactMap { connection -> (SimulatedConnection, SimulatedSocket)? in
      if case .socket(let socket, isOpen: true) = connection.use, !connection.isHalfClosed {
        (connection, socket)
      } else {
        nil
      }
    }
    guard !open.isEmpty else { return }
    let (connection, socket) = open[random.below(open.count)]
    switch random.below(20) {
    case 0: return sendFrame(connection, CWIRE_WS_PING, Array("are you there".utf8))
    case 1:
      connection.isHalfClosed = true
      return sendFrame(connection, CWIRE_WS_CLOSE, [0x03, 0xe8])
    case 2:
      connection.isHalfClosed = true
      return connection.peer.send((0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    case 3 where socket.isLegacy:
      // Whether what was cancelled is answered yet is open.
      guard let call = socket.pending.values.min(by: { $0.id < $1.id }) else { return }
      call.isOver = true
      return sendMessage(
        connection, ["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": call.id]])
    default: break
    }
    guard socket.isLegacy else {
      let (call, message, _) = modernMessage()
      call.way = .socket
      socket.pending[call.id] = call
      return sendMessage(connection, message)
    }
    guard socket.isInitialized else {
      socket.isInitialized = true
      let call = makeCall(.socket, nil, nil)
      socket.pending[call.id] = call
      return sendMessage(connection, initializeMessage(call))
    }
    let (call, message) = legacyMessage(nil)
    call.way = .socket
    socket.pending[call.id] = call
    sendMessage(connection, message)
  }

  private func sendMessage(_ connection: SimulatedConnection, _ message: [String: Any]) {
    let bytes = ScriptedUpstream.bytes(message)
    let opcode = random.chance(80) ? CWIRE_WS_TEXT : CWIRE_WS_BINARY
    guard random.chance(20) else { return sendFrame(connection, opcode, bytes) }
    let cut = random.below(bytes.count)
    sendFrame(connection, opcode, Array(bytes[..<cut]), fin: false)
    if random.chance(50) { sendFrame(connection, CWIRE_WS_PING, []) }
    sendFrame(connection, CWIRE_WS_CONTINUATION, Array(bytes[cut...]))
  }

  private func sendFrame(
    _ connection: SimulatedConnection, _ opcode: cwire_ws_opcode, _ data: [UInt8], fin: Bool = true
  ) {
    let mask = (0..<4).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    connection.peer.send(WebSocketFrame.bytes(opcode, data, fin: fin, mask: mask))
  }

  private func readSocket(_ connection: SimulatedConnection, _ socket: SimulatedSocket, _ bytes: [UInt8]) {
    for bytes in socket.reader.messages(in: bytes) {
      guard let message = HTTPMessage.object(bytes) else {
        report("a WebSocket brought what is no message")
        continue
      }
      if message["method"] != nil {
        guard let id = message["id"], random.chance(80) else { continue }
        sendMessage(connection, ["jsonrpc": "2.0", "id": id, "result": Self.sampled])
      } else if let id = message["id"] as? Int, let call = socket.pending.removeValue(forKey: id) {
        call.isOver = true
        take(message, call)
      } else if message["id"] as? Int != nil {
        report("a WebSocket brought an answer that nobody waits for: \(message["id"] ?? "")")
      }
    }
    if let problem = socket.reader.problem { report("a WebSocket brought \(problem)") }
  }

  private func listen() {
    guard let (session, headers) = anySession(random.chance(50) ? broken.first?.session : nil),
      let connection = connection()
    else { return }
    if let place = broken.firstIndex(where: { $0.session === session }) {
      let call = broken.remove(at: place)
      call.way = .resumed
      connection.use = .stream(session, call)
      return send(connection, "GET", nil, headers + ["Last-Event-ID: \(call.lastEventID ?? "")"])
    }
    connection.use = .stream(session, nil)
    let resume = session.lastEventID.map { ["Last-Event-ID: \($0)"] } ?? []
    send(connection, "GET", nil, headers + (random.chance(50) ? resume : []))
  }

  private func deleteSession() {
    guard let (session, headers) = anySession(), let connection = connection() else { return }
    session.isDeleted = true
    connection.use = .acknowledgement
    send(connection, "DELETE", nil, headers)
  }

  private func garbage() {
    guard let connection = connection() else { return }
    connection.use = .acknowledgement
    connection.peer.send(
      (0..<random.below(80)).map { _ in UInt8(truncatingIfNeeded: random.next()) } + [13, 10, 13, 10])
  }

  private func vanish() {
    guard !connections.isEmpty else { return }
    var connection = connections[random.below(connections.count)]
    // Streams that have begun are the ones that can be taken up again.
    let begun = connections.filter { if case .call(let call) = $0.use { call.lastEventID != nil } else { false } }
    if !begun.isEmpty, random.chance(50) { connection = begun[random.below(begun.count)] }
    if random.chance(30) {
      connection.isHalfClosed = true
      return connection.peer.end()
    }
    connection.peer.reset()
    lose(connection)
    connection.use = .abandoned
  }

  /// A client that reads no more, and those that did so read again.
  private func stall() {
    guard !connections.isEmpty else { return }
    let slow = random.below(connections.count)
    for (index, connection) in connections.enumerated() { connection.peer.stall(index == slow) }
  }

  /// Its connection has ended before the answer was whole.
  private func lose(_ connection: SimulatedConnection) {
    switch connection.use {
    case .call(let call), .stream(_, .some(let call)):
      call.isOver = true
      if call.answers == 0, call.lastEventID != nil, call.session?.isDeleted == false { broken.append(call) }
    case .opening(_, let call): call.isOver = true
    case .socket(let socket, _): for call in socket.pending.values { call.isOver = true }
    default: break
    }
  }

  // MARK: Answers

  private func read(_ connection: SimulatedConnection) -> Bool {
    let bytes = connection.peer.take()
    let moved = !bytes.isEmpty || connection.peer.hasMoved
    if let problem = connection.peer.problem { report("a client was sent \(problem)") }
    if case .socket(let socket, isOpen: true) = connection.use {
      readSocket(connection, socket, bytes)
    } else if !bytes.isEmpty {
      connection.reader.feed(bytes)
    }
    if case .abandoned = connection.use {
      connection.hasEnded = connection.peer.isEnded
      return moved
    }
    if connection.peer.isEnded { connection.reader.end() }
    if let problem = connection.reader.problem { report("a client was sent \(problem)") }
    lookAtEvents(connection)
    while let message = connection.reader.takeMessage() {
      judge(message, connection)
      connection.seenEvents = 0
      if case .socket(let socket, _) = connection.use, message.status == 101 {
        connection.use = .socket(socket, isOpen: true)
        readSocket(connection, socket, connection.reader.takeRest())
        break
      }
      if case .abandoned = connection.use {} else { connection.use = .idle }
    }
    if connection.peer.isEnded {
      judgeEnd(connection)
      lose(connection)
      connection.hasEnded = true
    }
    return moved
  }

  private func lookAtEvents(_ connection: SimulatedConnection) {
    guard let message = connection.reader.current, message.isEventStream else { return }
    for event in message.events.dropFirst(connection.seenEvents) {
      connection.seenEvents += 1
      let seen = connection.seenEvents
      switch connection.use {
      case .call(let call), .stream(_, .some(let call)):
        if let id = event.id { call.lastEventID = id }
        if let message = event.message { take(message, call) }
      case .stream(let session, nil):
        if let id = event.id { session.lastEventID = id }
        if let message = event.message, message["method"] == nil {
          // Answers come on GET streams only where the stream of their call was taken up.
          if session.lastEventID == nil { report("an answer came on a GET stream: \(message)") }
        }
      default:
        report("events came where none were asked for")
      }
      // Answering it may have let a turn pass, and that one has looked at the others.
      if connection.seenEvents != seen { return }
    }
  }

  /// A message of a call's answer.
  private func take(_ message: [String: Any], _ call: SimulatedCall) {
    if message["method"] != nil {
      if let id = message["id"], let session = call.session { answer(id, session) }
      return
    }
    call.answers += 1
    if call.answers > 1 { report("call \(call.id) was answered twice") }
    if message["id"] as? Int != call.id { report("call \(call.id) got the answer \(message)") }
    let result = message["result"] as? [String: Any]
    if (result == nil) == (message["error"] == nil) { report("call \(call.id) got neither result nor error, or both") }
    if result != nil { results[call.way, default: 0] += 1 }
    if let text = call.text, let result, result["isError"] as? Bool != true {
      let content = (result["content"] as? [[String: Any]])?.first?["text"] as? String
      if content != text { report("call \(call.id) got another's result: \(content?.prefix(40) ?? "none")") }
    }
  }

  /// A server asks the client something.
  private func answer(_ id: Any, _ session: SimulatedSession) {
    guard random.chance(80), !session.isDeleted, let connection = connection() else { return }
    connection.use = .acknowledgement
    let headers = ["Mcp-Session-Id: \(session.token ?? "")", "MCP-Protocol-Version: 2025-11-25"]
    send(connection, "POST", ["jsonrpc": "2.0", "id": id, "result": Self.sampled], headers)
  }

  private static var sampled: [String: Any] {
    ["role": "assistant", "model": "m", "content": ["type": "text", "text": "yes"]]
  }

  /// The gateway has ended a connection: in order, unless it lost its patience with a client that does not read.
  private func judgeEnd(_ connection: SimulatedConnection) {
    guard clock < connection.patience else { return }
    if case .socket(_, isOpen: true) = connection.use { return }
    if connection.reader.isWithinMessage { report("a connection ended within an answer") }
    if case .idle = connection.use, !connection.peer.isSigned { report("a connection ended without a goodbye") }
  }

  /// A whole HTTP answer.
  private func judge(_ message: HTTPMessage, _ connection: SimulatedConnection) {
    switch connection.use {
    case .call(let call):
      call.isOver = true
      if !message.isEventStream { return judgeWhole(message, call) }
      if call.answers == 0 { report("the stream of call \(call.id) ended without an answer") }
    case .opening(let session, let call):
      call.isOver = true
      judgeWhole(message, call)
      guard message.status == 200, let token = message.headers["mcp-session-id"] else { return }
      session.token = token
      sessions.append(session)
    case .stream(let session, let call):
      call?.isOver = true
      if message.status == 404 || message.status == 400 { forget(session, message) }
    case .socket:
      if message.status == 101 || message.status == 503 && gateway.isDraining { return }
      report("an upgrade was answered \(message.start)")
    case .acknowledgement, .abandoned: break
    case .idle: report("an answer came that nobody asked for: \(message.start)")
    }
  }

  private func judgeWhole(_ message: HTTPMessage, _ call: SimulatedCall) {
    // Time may pass between the arrival of a request and the turn that reads it.
    if message.status == 408 { return }
    guard let object = message.json else {
      return report("call \(call.id) was answered \(message.start) without a message")
    }
    if message.status == 404, let session = call.session { return forget(session, message) }
    take(object, call)
  }

  /// The gateway knows a session no more.
  private func forget(_ session: SimulatedSession, _ message: HTTPMessage) {
    if message.status == 404 { session.isDeleted = true }
  }
}
