import Configuration
import Dispatch
import Glibc
import Reactor
import Synchronization
import Wire

/// Carries the messages of one stdio client to a Streamable HTTP endpoint and back.
///
/// Each message has a thread and a connection of its own, which wait as long as they must: the client's side is one
/// process for one user, and blocking is what keeps it simple. Messages are sent in the order in which they came.
final class ConnectBridge: Sendable {
  private let url: EndpointURL
  private let trust: TLSContext?
  private let headers: [(name: String, value: String)]
  private let output: ConnectOutput
  /// Seconds that a message waits for somebody to listen at the URL.
  private let patience: Int
  private let state = Mutex(State())
  /// One thread at a time opens a new session in place of a lost one.
  private let renewal = Mutex(())
  private let running = DispatchGroup()

  private struct State {
    var session: String?
    /// The revision of the session, or the one that the last message of 2026-07-28 named.
    var version: String?
    var modernVersion: String?
    var opening: ConnectMessage?
    var inFlight: [[UInt8]: ConnectExchange] = [:]
    var toolHeaders = ToolHeaders()
    var isClosing = false
    /// It was said that nobody listens there.
    var isWaiting = false
  }

  /// Where messages come from: once it has no other end nobody needs to wait.
  private let input = Mutex<Int32?>(nil)

  private static let connectTimeout = 10
  private static let largestError = 1 << 20
  private static let resumptions = 5

  /// - Parameters:
  ///   - trust: what an https server is checked against.
  ///   - patience: seconds that a message waits for somebody to listen at the URL.
  init(
    to url: EndpointURL, trust: TLSContext? = nil, headers: [(name: String, value: String)], patience: Int = 0,
    output: ConnectOutput
  ) {
    self.patience = patience
    self.url = url
    self.trust = trust
    self.headers = headers
    self.output = output
  }

  /// Reads messages until the input ends or the client no longer reads, then waits for the answers that are due.
  ///
  /// False if there were none and nobody listens at the URL either, which else nobody would hear of.
  func run(reading descriptor: Int32) -> Bool {
    input.withLock { $0 = descriptor }
    defer { input.withLock { $0 = nil } }
    var lines = LineReader(descriptor: descriptor)
    var hasRead = false
    while output.isOpen, let line = lines.next() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
      hasRead = true
      take(ConnectMessage(line))
    }
    input.withLock { $0 = nil }
    guard hasRead else { return isReachable() }
    let endless = state.withLock { state in
      state.inFlight.values.filter { $0.method == "subscriptions/listen" || !output.isOpen }
    }
    for exchange in endless { exchange.cancel() }
    running.wait()
    return true
  }

  private func isReachable() -> Bool {
    do throws(HTTPFault) {
      _ = try HTTPConnection(to: url, connectTimeout: Self.connectTimeout)
      return true
    } catch {
      StandardError.write("sluice: \(url): \(error)")
      return false
    }
  }

  /// Ends the session, as a good client does. Waits two seconds at most.
  func close() {
    let session = state.withLock { state in
      state.isClosing = true
      defer { state.session = nil }
      return state.session
    }
    guard let session else { return }
    do throws(HTTPFault) {
      var connection = try HTTPConnection(to: url, timeout: 2, trust: trust)
      try connection.send(method: "DELETE", target: url.target, headers: sessionHeaders(session), body: nil)
      _ = try connection.readHead()
    } catch {
      StandardError.write("sluice: the session was not ended: \(error)")
    }
  }

  // MARK: Messages of the client

  private func take(_ message: ConnectMessage) {
    if let fault = message.fault {
      return output.write(ConnectMessage.error(fault.code, fault.text, for: message.id))
    }
    if let id = message.cancelledID, let exchange = state.withLock({ $0.inFlight[id] }), exchange.isModern {
      return exchange.cancel()
    }
    let exchange = ConnectExchange(for: message)
    state.withLock { state in
      if message.kind == .request, let id = message.id { state.inFlight[id] = exchange }
      if message.method == "initialize" { state.opening = message }
      if let version = message.modernVersion { state.modernVersion = version }
    }
    // Nothing may overtake the opening of a session; otherwise only the order of sending counts.
    let isOpening = message.method == "initialize" || message.method == "notifications/initialized"
    let goOn = DispatchSemaphore(value: 0)
    spawn {
      self.carry(message, exchange) { if !isOpening { goOn.signal() } }
      self.state.withLock { state in
        if let id = message.id, state.inFlight[id] === exchange { state.inFlight[id] = nil }
      }
      goOn.signal()
    }
    goOn.wait()
  }

  private func carry(_ message: ConnectMessage, _ exchange: ConnectExchange, whenSent: () -> Void) {
    var isSecondTry = false
    while true {
      let session = state.withLock { $0.session }
      do throws(HTTPFault) {
        var connection = try connect(for: exchange)
        guard exchange.attach(connection.canceller) else { return }
        defer { exchange.detach() }
        try connection.send(
          method: "POST", target: url.target, headers: postHeaders(for: message, session: session), body: message.bytes)
        whenSent()
        let head = try connection.readHead()
        let isLost = head.status == 404 && session != nil && !exchange.isModern && message.method != "initialize"
        if !isLost || isSecondTry {
          return try answer(head, &connection, to: message, exchange)
        }
      } catch {
        return fail(exchange, "\(url): \(error)")
      }
      isSecondTry = true
      if let session, !renew(session) { return fail(exchange, "the session has ended, and no new one could be opened") }
    }
  }

  /// Connects, as soon as somebody listens there: what a gateway that starts, or starts again, is not there for yet can wait
  /// a while, as nothing of it was sent.
  private func connect(for exchange: ConnectExchange) throws(HTTPFault) -> HTTPConnection {
    let end = System.uptime + UInt64(patience) * 1000
    var delay: Int32 = 50
    while true {
      do throws(HTTPFault) {
        let connection = try HTTPConnection(to: url, connectTimeout: Self.connectTimeout, trust: trust)
        state.withLock { $0.isWaiting = false }
        return connection
      } catch {
        guard error.isAbsence, System.uptime < end, !exchange.isCancelled, isHeard(afterMilliseconds: delay) else {
          throw error
        }
        let isFirst = state.withLock { state in
          defer { state.isWaiting = true }
          return !state.isWaiting
        }
        if isFirst { StandardError.write("sluice: \(url): \(error); waiting for it") }
        delay = min(delay * 2, 1000)
      }
    }
  }

  /// Whether the client is still there after so long.
  private func isHeard(afterMilliseconds delay: Int32) -> Bool {
    guard let descriptor = input.withLock({ $0 }) else { return false }
    var watched = pollfd(fd: descriptor, events: 0, revents: 0)
    return poll(&watched, 1, delay) == 0
  }

  private func answer(
    _ head: HTTPConnection.Head, _ connection: inout HTTPConnection, to message: ConnectMessage,
    _ exchange: ConnectExchange
  ) throws(HTTPFault) {
    guard (200..<300).contains(head.status) else {
      let body = try connection.readBody(limit: Self.largestError)
      return refuse(head.status, body, exchange)
    }
    if message.method == "initialize" {
      state.withLock { $0.session = head["mcp-session-id"] }
    }
    guard message.kind == .request || message.kind == .batch else {
      if message.method == "notifications/initialized", let session = state.withLock({ $0.session }) {
        listen(session)
      }
      return
    }
    let media = head["content-type"]?.split(separator: ";").first.map { HTTPText.trimmed($0).lowercased() }
    switch media {
    case "text/event-stream": try stream(&connection, exchange)
    case "application/json": deliver(try connection.readBody(), of: exchange)
    default: if message.kind == .batch { return }
    }
    if !exchange.isAnswered, message.kind == .request { fail(exchange, "\(url) sent no answer to the request") }
  }

  /// The answer was an HTTP error: whatever JSON-RPC error its body holds is about this request.
  private func refuse(_ status: Int, _ body: [UInt8], _ exchange: ConnectExchange) {
    guard exchange.id != nil else {
      return StandardError.write("sluice: \(url) answered \(status) to \(exchange.method)")
    }
    exchange.markAnswered()
    guard !exchange.isSilent else { return }
    if let error = ConnectMessage.error(in: body, for: exchange.id) { return output.write(error) }
    let hint =
      switch status {
      case 401, 403: "; give it an Authorization with --header"
      case 404, 405: "; it is no Streamable HTTP endpoint"
      default: ""
      }
    output.write(ConnectMessage.error(-32603, "\(url) answered \(status)\(hint)", for: exchange.id))
  }

  private func fail(_ exchange: ConnectExchange, _ reason: String) {
    guard !exchange.isCancelled, !exchange.isAnswered else { return }
    guard let id = exchange.id, !exchange.isSilent else { return StandardError.write("sluice: \(reason)") }
    exchange.markAnswered()
    output.write(ConnectMessage.error(-32603, reason, for: id))
  }

  // MARK: Messages of the server

  private func deliver(_ bytes: [UInt8], of exchange: ConnectExchange?) {
    guard !bytes.isEmpty else { return }
    let message = ConnectMessage(bytes)
    guard message.kind != .invalid else {
      return StandardError.write("sluice: \(url) sent what is no JSON-RPC message")
    }
    if let exchange, message.kind == .batch || (message.kind == .response && message.id == exchange.id) {
      exchange.markAnswered()
      if exchange.method == "initialize" { state.withLock { $0.version = message.negotiatedVersion } }
      if exchange.method == "tools/list" { state.withLock { $0.toolHeaders.learn(from: bytes) } }
      if exchange.isSilent { return }
    }
    if exchange?.isCancelled != true { output.write(bytes) }
  }

  /// The answer as a stream, resumed if it breaks off and can be (legacy only).
  private func stream(_ connection: inout HTTPConnection, _ exchange: ConnectExchange) throws(HTTPFault) {
    var cursor = EventCursor()
    var failure = read(&connection, exchange, &cursor)
    exchange.detach()
    var tries = 0
    while !exchange.isAnswered, !exchange.isCancelled, !exchange.isModern, exchange.id != nil, tries < Self.resumptions,
      cursor.id != nil, let session = state.withLock({ $0.session })
    {
      tries += 1
      pause(milliseconds: cursor.retry ?? 1000)
      do throws(HTTPFault) {
        var next = try HTTPConnection(to: url, connectTimeout: Self.connectTimeout, trust: trust)
        guard exchange.attach(next.canceller) else { return }
        defer { exchange.detach() }
        try next.send(
          method: "GET", target: url.target, headers: streamHeaders(session, after: cursor.id), body: nil)
        let head = try next.readHead()
        guard head.status == 200 else { throw .status(head.status) }
        let before = cursor.id
        failure = read(&next, exchange, &cursor)
        if cursor.id != before { tries = 0 }
      } catch {
        failure = error
      }
    }
    if let failure, !exchange.isAnswered { throw failure }
  }

  /// Where a stream is, for its resumption.
  private struct EventCursor {
    var id: [UInt8]?
    var retry: Int?
  }

  /// Reads events to the end of the stream, or to the answer of the exchange.
  private func read(
    _ connection: inout HTTPConnection, _ exchange: ConnectExchange?, _ cursor: inout EventCursor
  ) -> HTTPFault? {
    let parser = SSEParser()
    var data: [UInt8] = []
    do throws(HTTPFault) {
      while let piece = try connection.readPiece() {
        var offset = 0
        var isUsedUp = false
        while !isUsedUp {
          switch parser.next(piece.span.bytes, at: &offset) {
          case .more: isUsedUp = true
          case .comment: break
          case .data(let slice, let newline):
            if newline { data.append(0x0A) }
            data += piece[slice.range]
          case .end(let end):
            if end.hasID { cursor.id = parser.id.withUnsafeBytes { Array($0) } }
            if let retry = end.retry { cursor.retry = Int(min(retry, 60_000)) }
            if parser.type.byteCount == 0 || parser.type.equals("message") { deliver(data, of: exchange) }
            data = []
            if let exchange, exchange.isAnswered { return nil }
          }
        }
      }
      return nil
    } catch {
      return error
    }
  }

  /// The session's own stream: what the server says without having been asked. Opened again whenever it ends.
  private func listen(_ session: String) {
    spawn(counted: false) {
      var cursor = EventCursor()
      var delay = 1000
      while self.state.withLock({ $0.session == session && !$0.isClosing }) {
        do throws(HTTPFault) {
          var connection = try HTTPConnection(
            to: self.url, connectTimeout: Self.connectTimeout, trust: self.trust)
          try connection.send(
            method: "GET", target: self.url.target, headers: self.streamHeaders(session, after: cursor.id), body: nil)
          let head = try connection.readHead()
          if head.status == 404 || head.status == 405 || head.status == 501 { return }
          guard head.status == 200 else { throw .status(head.status) }
          delay = 1000
          _ = self.read(&connection, nil, &cursor)
        } catch {
          delay = min(delay * 2, 30_000)
        }
        self.pause(milliseconds: cursor.retry ?? delay)
      }
    }
  }

  // MARK: Sessions

  /// Opens a session in place of one that the server no longer knows, as after its restart.
  private func renew(_ lost: String) -> Bool {
    renewal.withLock { _ in
      let (session, opening) = state.withLock { ($0.session, $0.opening) }
      if session != lost { return session != nil }
      guard let opening else { return false }
      state.withLock { state in
        state.session = nil
        state.version = nil
      }
      let exchange = ConnectExchange(for: opening, isSilent: true)
      carry(opening, exchange) {}
      guard state.withLock({ $0.version != nil }) else { return false }
      let initialized = ConnectMessage(Array(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.utf8))
      carry(initialized, ConnectExchange(for: initialized)) {}
      return true
    }
  }

  // MARK: Headers

  private func postHeaders(for message: ConnectMessage, session: String?) -> [(name: String, value: String)] {
    var result = headers
    result.append(("Content-Type", "application/json"))
    result.append(("Accept", "application/json, text/event-stream"))
    if message.method == "initialize", message.modernVersion == nil { return result }
    let (version, lastModern, tools) = state.withLock { ($0.version, $0.modernVersion, $0.toolHeaders) }
    if let modern = message.modernVersion ?? (version == nil ? lastModern : nil) {
      result += ConnectHeaders.routing(for: message, version: modern)
      result += tools.headers(for: message)
    } else {
      if let session { result.append(("Mcp-Session-Id", session)) }
      if let version { result.append(("MCP-Protocol-Version", version)) }
    }
    return result
  }

  private func streamHeaders(_ session: String, after id: [UInt8]?) -> [(name: String, value: String)] {
    var result = sessionHeaders(session)
    result.append(("Accept", "text/event-stream"))
    if let id { result.append(("Last-Event-ID", String(decoding: id, as: UTF8.self))) }
    return result
  }

  private func sessionHeaders(_ session: String) -> [(name: String, value: String)] {
    var result = headers
    result.append(("Mcp-Session-Id", session))
    if let version = state.withLock({ $0.version }) { result.append(("MCP-Protocol-Version", version)) }
    return result
  }

  // MARK: Threads

  /// - Parameter counted: whether the end of the input waits for it.
  private func spawn(counted: Bool = true, _ body: @escaping @Sendable () -> Void) {
    if counted { running.enter() }
    let running = running
    DetachedThread.start {
      body()
      if counted { running.leave() }
    }
  }

  private func pause(milliseconds: Int) {
    usleep(UInt32(milliseconds) * 1000)
  }
}

/// A thread of its own for work that blocks, of which a pool would soon have none left.
enum DetachedThread {
  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  static func start(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let failure = pthread_create(
      &thread, nil,
      {
        Unmanaged<Box>.fromOpaque($0!).takeRetainedValue().body()
        return nil
      },
      box.toOpaque())
    guard failure == 0 else {
      box.release()
      fatalError("no thread: \(String(cString: strerror(failure)))")
    }
    pthread_detach(thread)
  }
}
