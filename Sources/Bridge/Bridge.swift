import ConfigurationSyntax
import Dispatch
import Reactor
import Wire

/// Carries the messages of one stdio client to a Streamable HTTP endpoint and back: the connections, the lines and the
/// clock, on one event loop. What is to be done says ``BridgeState``.
///
/// A thread of its own reads lines, as standard input may be anything; it hands over one after the other.
public final class Bridge: HTTPClientHandler, @unchecked Sendable {  // all but `handle` is its loop's thread's alone
  private struct Carrier {
    var exchange: ExchangeID
    /// Kept for as long as it may have to be sent over another connection.
    var request: [UInt8]
    var isReused: Bool
    var hasHead = false
  }

  /// How long a connection may be idle: servers are known to close theirs after 5 s, and a request that meets that moment
  /// may be lost.
  private static let idleTime: UInt64 = 4000
  private static let connectTimeout: UInt32 = 10_000
  /// Messages that may wait before no more are read.
  private static let mostWaiting = 256

  private let loop: EventLoop
  private let endpoint: Endpoint
  private let remark: @Sendable (String) -> Void
  private var state: BridgeState
  private var output = LineWriter(descriptor: -1)
  private var carriers: [ConnectionID: Carrier] = [:]
  /// Connections that can carry another request, the one used last at the end, with the time since when.
  private var idle: [(connection: ConnectionID, since: UInt64)] = []
  private var alarms: [UInt64: BridgeState.Alarm] = [:]
  private var lastToken = Bridge.idleToken
  private static let idleToken: UInt64 = 1
  /// Signalled when the next line may be handed over.
  private let permit = DispatchSemaphore(value: 0)
  private var isReaderHeld = false

  /// - Parameters:
  ///   - trust: what an https server is checked against.
  ///   - patience: milliseconds that a message waits for somebody to listen at the URL.
  ///   - remark: takes lines for people.
  public init(
    to url: EndpointURL, trust: TLSContext? = nil, headers: [(name: String, value: String)] = [],
    patience: UInt64 = 0, remark: @escaping @Sendable (String) -> Void
  ) throws(ReactorError) {
    endpoint = Endpoint(
      host: url.host, port: UInt16(clamping: url.port), tls: trust, connectTimeout: Self.connectTimeout)
    state = BridgeState(url, headers: headers, patience: patience)
    self.remark = remark
    var options = EventLoop.Options()
    options.answerHead = 256 << 10
    // Whatever the system does not take at once is told about when it has, so that messages keep their order.
    options.writeHighWater = 1
    options.writeLowWater = 1
    loop = try EventLoop(options)
    loop.hand(to: self)
  }

  /// Reads messages until the input ends or the client no longer reads, waits for the answers that are due, and ends the
  /// session.
  ///
  /// False if there was no message and nobody listens at the URL either, which else nobody would hear of.
  public func run(reading input: Int32, writing output: Int32) -> Bool {
    self.output = LineWriter(descriptor: output)
    _ = Thread(name: "lines") { [self] in
      var lines = LineReader(descriptor: input)
      while let line = lines.next() {
        loop.handle.post { self.take(line) }
        permit.wait()
      }
      loop.handle.post {
        self.state.inputEnded(at: self.loop.now)
        self.act()
      }
    }
    loop.run()
    return state.isReached
  }

  /// Gives up what is under way and ends the session, two seconds later at most. Any thread.
  public func stop() {
    loop.handle.post { [self] in
      state.stop(at: loop.now)
      act()
    }
  }

  private func take(_ line: [UInt8]) {
    state.line(line, at: loop.now)
    isReaderHeld = true
    act()
  }

  // MARK: Actions

  private func act() {
    while true {
      let actions = state.takeActions()
      guard !actions.isEmpty else { break }
      for action in actions { perform(action) }
      if !output.isOpen { state.stop(at: loop.now) }
    }
    guard isReaderHeld, state.backlog < Self.mostWaiting else { return }
    isReaderHeld = false
    permit.signal()
  }

  private func perform(_ action: BridgeState.Action) {
    switch action {
    case .request(let exchange, let bytes): send(bytes, of: exchange)
    case .abandon(let exchange):
      for (connection, carrier) in carriers where carrier.exchange == exchange {
        carriers[connection] = nil
        loop.abort(connection)
      }
    case .write(let message): output.write(message)
    case .remark(let text): remark(text)
    case .wake(let alarm, let milliseconds):
      lastToken += 1
      alarms[lastToken] = alarm
      loop.startTimer(milliseconds: milliseconds, token: lastToken)
    case .over:
      for connection in carriers.keys { loop.abort(connection) }
      for (connection, _) in idle { loop.abort(connection) }
      loop.handle.stop()
    }
  }

  private func send(_ request: [UInt8], of exchange: ExchangeID) {
    while let (connection, _) = idle.popLast() {
      loop.setTag(connection, exchange.number)
      let outcome = loop.send(connection, request.rawBytes)
      guard outcome != .stale else {
        loop.abort(connection)
        continue
      }
      carriers[connection] = Carrier(exchange: exchange, request: request, isReused: true)
      if outcome == .taken { state.sent(exchange, at: loop.now) }
      return
    }
    connect(for: exchange, request)
  }

  private func connect(for exchange: ExchangeID, _ request: [UInt8]) {
    guard let connection = loop.connect(endpoint, tag: exchange.number) else {
      return state.lost(exchange, Loss(.broken, "there are too many connections"), at: loop.now)
    }
    carriers[connection] = Carrier(exchange: exchange, request: request, isReused: false)
    loop.send(connection, request.rawBytes)
  }

  private func rest(_ connection: ConnectionID) {
    loop.setTag(connection, 0)
    idle.append((connection, loop.now))
    if idle.count == 1 { loop.startTimer(milliseconds: Self.idleTime, token: Self.idleToken) }
  }

  private func closeIdle() {
    let now = loop.now
    let old = idle.prefix { $0.since + Self.idleTime <= now }
    for (connection, _) in old { loop.abort(connection) }
    idle.removeFirst(old.count)
    if let first = idle.first {
      loop.startTimer(milliseconds: max(first.since + Self.idleTime - now, 1), token: Self.idleToken)
    }
  }

  // MARK: The loop

  public func drained(_ connection: ConnectionID, tag: UInt64) {
    guard let carrier = carriers[connection] else { return }
    state.sent(carrier.exchange, at: loop.now)
    act()
  }

  public func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    guard let carrier = carriers[connection] else { return }
    carriers[connection]?.hasHead = true
    carriers[connection]?.request = []
    state.head(carrier.exchange, AnswerHead(head), at: loop.now)
    act()
  }

  public func responseBody(
    _ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool
  ) {
    guard let carrier = carriers[connection] else { return }
    state.piece(carrier.exchange, piece, at: loop.now)
    if last {
      carriers[connection] = nil
      if reusable { rest(connection) }
      state.ended(carrier.exchange, at: loop.now)
    }
    act()
  }

  public func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    guard let carrier = carriers.removeValue(forKey: connection) else {
      return idle.removeAll { $0.connection == connection }
    }
    if carrier.isReused, !carrier.hasHead {
      guard sent else { return connect(for: carrier.exchange, carrier.request) }
      state.lost(carrier.exchange, Loss(.outdated, error.description), at: loop.now)
    } else {
      state.lost(carrier.exchange, Loss(error, sent: sent), at: loop.now)
    }
    act()
  }

  public func timer(_ token: UInt64) {
    if token == Self.idleToken { return closeIdle() }
    guard let alarm = alarms.removeValue(forKey: token) else { return }
    state.alarm(alarm, at: loop.now)
    act()
  }
}

extension AnswerHead {
  init(_ head: ResponseHead) {
    let media: Media =
      head.hasContentType("text/event-stream") ? .events : head.hasContentType("application/json") ? .json : .other
    var session: [UInt8]?
    if let id = head.header(.mcpSessionID) { session = id.array }
    self.init(head.status, media, session: session)
  }
}
