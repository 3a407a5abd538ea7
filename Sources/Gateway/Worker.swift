import Configuration
import Demonstration
import Logging
import MCP
import Reactor
import Routing
import Wire

/// One event loop's policy: it reads requests, routes them, carries them upstream and the answers back. Everything here
/// runs on the loop's thread, synchronously. Other threads reach it by `post` alone.
///
/// Its parts are extensions, one file each: the endpoints of clients (`Front/`), calls on their way (`Calls/`), the
/// upstreams (`UpstreamClient/`) and what goes to clients (`Delivery/`).
package final class Worker: LoopHandler, @unchecked Sendable {  // touched on its loop's thread alone, by what is posted
  let context: WorkerContext
  // Of the context, for the shortest way.
  let index: Int
  let loop: EventLoop
  let headScratch: Scratch
  let bodyScratch: Scratch
  let requestScanner: EnvelopeScanner
  let answerScanner: EnvelopeScanner
  let gateway: GatewayState
  /// Where others find this worker.
  let place = WorkerPlace()

  let delivery: Delivery
  let admission = Admission()
  var exchanges: ExchangeTable
  var reverses: ReverseTable
  /// What this worker has of each upstream, by the id of the cluster.
  var stakes: [PlainKey: UpstreamStake] = [:]
  var links: [UInt32: Link] = [:]
  var nextLink: UInt32 = 1
  var tickets = TicketCache()
  /// Client WebSockets.
  var sockets = SocketTable()
  /// Modern `subscriptions/listen` streams of this worker.
  var listens: [ListenStream: Listen] = [:]
  var nextListen: UInt64 = 0
  /// Who among them named which resource.
  var listenAudience = Audience<ListenStream>()
  /// How many listens each WebSocket has that has any.
  var socketListens: [ConnectionID: Int] = [:]
  /// Sessions whose streams this worker writes, by the connection that reads.
  var streamReaders: [ConnectionID: Session] = [:]
  /// How many clients of a session wait for what another process has yet to tell of a stream.
  var earlyResumes: [SessionID: Int] = [:]
  /// Upstream GET streams that this worker reads, by their connection.
  var upstreamStreams: [ConnectionID: UpstreamStream] = [:]
  /// Origins of the pages whose requests are being answered.
  var browsers: [ConnectionID: [UInt8]] = [:]
  /// Upstream connections whose answer is known and whose end is awaited, with the time to give up.
  var lingering: [ConnectionID: (cluster: Cluster, until: UInt64)] = [:]

  /// What waits for clients that do not read, though nothing can be paused for them.
  var unread = UnreadResults()

  /// The `Mcp-Param-*` lines of the modern call that is being forwarded.
  var clientParameters: [MirroredLine] = []

  /// URIs that results have named, and whose results.
  var learnedLinks: PrincipalLinks<Principal>
  /// What answers where no server is configured.
  var demonstration: DemonstrationServer
  /// Those that accept, with what they are for.
  let listeners: WorkerListeners
  /// The end has come: nothing is started any more.
  var isClosing = false
  /// When those who read event streams are to come back.
  private var reconnection = Reconnection(seed: UInt64.random(in: 0 ... .max))
  var readers: [ResponseReader] = []
  private var sweeping = false
  /// Of the control loop.
  private lazy var memoryWatch = MemoryWatch(context) { [unowned self] in makeRoom($0) }

  /// Serves the connections of the admin listener; set on the control loop alone.
  package var adminService: (any AdminService)?
  var control: ControlPlane? { gateway.control }

  init(index: Int, gateway: GatewayState, options: EventLoop.Options, logger: Logger) throws {
    context = try WorkerContext(
      index: index, group: gateway.group, settings: gateway.settings, options: options, logger: logger)
    self.index = index
    loop = context.loop
    listeners = WorkerListeners(loop)
    headScratch = context.head
    bodyScratch = context.body
    requestScanner = context.requestScanner
    answerScanner = context.answerScanner
    self.gateway = gateway
    exchanges = ExchangeTable(worker: index)
    reverses = ReverseTable(worker: index)
    learnedLinks = PrincipalLinks(key: gateway.tableKey)
    demonstration = DemonstrationServer(key: gateway.demonstrationKey, startedAt: gateway.startedAt)
    delivery = Delivery(context, gateway.deliveryMail)
    unsafe loop.handler = self
    delivery.begin(for: self)
    place.enter(self)
    context.memory.makeRoom = { [unowned self] in giveUpRequests() }
  }

  deinit {
    delivery.close()
    place.leave()
  }

  // MARK: LoopHandler

  package func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    if let adminService, loop.listenerLabel(of: connection) == ListenerLabel.admin {
      if let refusal = settings.adminOrigins.check(head) { return refuseInText(connection, refusal) }
      loop.setTag(connection, TagKind.admin.tag())
      return adminService.serve(head, body, over: AdminConnection(connection, context))
    }
    serveHTTP(connection, head, body)
  }

  package func peerEnded(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .exchange:
      let id = ExchangeID(rawValue: TagKind.value(of: tag))
      guard exchanges.contains(id) else { return }
      // A half-closed legacy client may still read its answer; a modern one that goes away cancels [7.2].
      if exchanges[id].clientRevision.era == .modern || isStreaming(id) {
        clientGone(id)
        loop.abort(connection)
      }
    case .eventStream, .listen:
      streamReaderGone(connection, tag: tag)
      loop.abort(connection)
    case .socket, .echo:
      socketGone(Int(TagKind.value(of: tag)))
      loop.abort(connection)
    case .admin:
      adminService?.ended(connection)
      loop.abort(connection)
    default:
      break
    }
  }

  package func closed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError) {
    if !browsers.isEmpty { browsers[connection] = nil }
    switch TagKind(of: tag) {
    case .exchange: clientGone(ExchangeID(rawValue: TagKind.value(of: tag)))
    case .eventStream, .listen: streamReaderGone(connection, tag: tag)
    case .socket, .echo: socketGone(Int(TagKind.value(of: tag)))
    case .admin: adminService?.ended(connection)
    default: break
    }
  }

  package func drained(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .exchange:
      let id = ExchangeID(rawValue: TagKind.value(of: tag))
      if exchanges.contains(id) { resumeSource(of: id) }
    case .eventStream:
      // The answer of a call may be read here, on another connection than that of its POST.
      guard let session = streamReaders[connection] else { return }
      for id in exchanges.ids(where: { $0.isPaused && $0.session === session }) { resumeSource(of: id) }
    case .socket:
      for id in exchanges.ids(where: { $0.isPaused && $0.isAsked(over: connection) }) { resumeSource(of: id) }
    case .admin: adminService?.drained(connection)
    default: break
    }
  }

  package func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    switch TagKind(of: tag) {
    case .exchange: responseBegan(ExchangeID(rawValue: TagKind.value(of: tag)), connection, head)
    case .upstreamStream: upstreamStreamBegan(connection, head)
    default: break
    }
  }

  package func responseBody(
    _ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool
  ) {
    switch TagKind(of: tag) {
    case .exchange: responsePiece(ExchangeID(rawValue: TagKind.value(of: tag)), connection, piece, last: last, reusable)
    case .lingering where last: lingeringEnded(connection, reusable: reusable)
    case .upstreamStream: upstreamStreamPiece(connection, piece, last: last)
    default: break
    }
  }

  package func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    switch TagKind(of: tag) {
    case .exchange: carrierLost(ExchangeID(rawValue: TagKind.value(of: tag)), connection, error, sent: sent)
    case .idle: stakes[PlainKey(TagKind.value(of: tag))]?.pool.ended(connection, now: now)
    case .lingering: lingering[connection] = nil
    case .upstreamStream: upstreamStreamClosed(connection, error)
    case .link: links[UInt32(TagKind.value(of: tag))]?.died(socketEnd(connection, error))
    default: break
    }
  }

  package func websocketMessage(_ connection: ConnectionID, tag: UInt64, _ message: RawSpan, binary: Bool) {
    switch TagKind(of: tag) {
    case .socket: socketReceived(Int(TagKind.value(of: tag)), message, binary: binary)
    case .echo: loop.sendWebSocket(connection, message, binary: binary)
    case .link: links[UInt32(TagKind.value(of: tag))]?.received(message)
    default: break
    }
  }

  package func websocketOpened(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    if case .link = TagKind(of: tag) { links[UInt32(TagKind.value(of: tag))]?.opened() }
  }

  package func childLine(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    links[UInt32(TagKind.value(of: tag))]?.received(line)
  }

  package func childOverlong(_ child: ConnectionID, tag: UInt64, _ part: RawSpan, ended: Bool) {
    links[UInt32(TagKind.value(of: tag))]?.overlong(part, ended: ended)
  }

  package func childLog(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    guard let link = links[UInt32(TagKind.value(of: tag))] else { return }
    // What a server of the legacy era says to a probe is no news.
    let level: Logger.Level = link.isProbe ? .debug : .info
    logger.log(level: level, "\(link.cluster.alias): \(line.text)", metadata: ["server": "\(link.cluster.alias)"])
  }

  package func childDropped(_ child: ConnectionID, tag: UInt64, _ loss: ChatterLoss) {
    guard let link = links[UInt32(TagKind.value(of: tag))] else { return }
    let cluster = link.cluster
    cluster.droppedLog.lines.add(loss.lines, ordering: .relaxed)
    cluster.droppedLog.bytes.add(loss.bytes + loss.cut, ordering: .relaxed)
    logger.warning("\(cluster.alias): \(loss)", metadata: ["server": "\(cluster.alias)"])
  }

  package func childExited(
    _ child: ConnectionID, tag: UInt64, _ error: ReactorError, status: Int64, signal: Int32
  ) {
    let number = UInt32(TagKind.value(of: tag))
    guard let link = links[number] else { return }
    if error.isLineTooLong {
      return link.died("wrote a line without an end")
    }
    if error.isFailure { link.startFailure = "could not be started: \(error)" }
    let reason =
      link.startFailure ?? (signal != 0 ? "was ended by signal \(signal)" : "exited with status \(status)")
    link.died(reason)
  }

  // MARK: Time

  private static let sweepInterval: UInt64 = 100

  enum TimerToken: UInt64 {
    case sweep = 1
    case reap = 2
    case glance = 3
  }

  package func timer(_ token: UInt64) {
    switch TimerToken(rawValue: token) {
    case .sweep: sweep()
    case .reap:
      context.lookAtClock()
      reap()
      if index == gateway.workerCount { memoryWatch.look() }
    case .glance: loop.startTimer(milliseconds: memoryWatch.glance(), token: token)
    case nil: context.timers.fired(token)
    }
  }

  /// Makes sure that deadlines are looked at while calls are in flight.
  func armSweep() {
    guard !sweeping else { return }
    sweeping = true
    loop.startTimer(milliseconds: Self.sweepInterval, token: TimerToken.sweep.rawValue)
  }

  private func sweep() {
    sweeping = false
    let now = now
    for id in exchanges.ids(where: { $0.deadline <= now || $0.decideAt <= now }) where exchanges.contains(id) {
      if exchanges[id].deadline <= now { timeOut(id) } else { decideForEvents(id) }
    }
    for (connection, entry) in lingering where entry.until <= now {
      lingering[connection] = nil
      loop.abort(connection)
    }
    // A listen of the gateway's own has no deadline.
    if !exchanges.ids(where: { $0.deadline != .max }).isEmpty || !lingering.isEmpty { armSweep() }
  }

  // MARK: Stock

  func takeReader() -> ResponseReader { readers.popLast() ?? ResponseReader() }

  func giveBack(_ reader: ResponseReader) {
    uncover(reader)
    reader.reset()
    if readers.count < 256 { readers.append(reader) }
  }

  /// No JSON-RPC is spoken on the admin listener.
  private func refuseInText(_ connection: ConnectionID, _ error: GatewayError) {
    bodyScratch.clear()
    bodyScratch.buffer.append(error.message ?? "refused")
    bodyScratch.buffer.append("\n")
    let status = UInt16(error.answer(to: .legacy).status)
    loop.reply(connection, EventLoop.ReplyHead(status, "text/plain; charset=utf-8", headers: RawSpan()), bodyBytes)
  }

  // MARK: Reconnection

  /// Streams of clients that may come back at the same time, as far as this worker can tell.
  private var streamCount: Int { streamReaders.count * gateway.workerCount }

  /// The `retry` of a stream that begins, in milliseconds.
  func usualRetry() -> UInt64 { reconnection.usual(among: streamCount) }

  /// The `retry` of a stream that is closed because the gateway ends.
  func drainedRetry() -> UInt64 { reconnection.drained(among: streamCount) }

  // MARK: Upstreams

  func stake(in cluster: Cluster) -> UpstreamStake {
    if let known = stakes[cluster.stakeKey] { return known }
    let made = UpstreamStake()
    stakes[cluster.stakeKey] = made
    return made
  }

  // MARK: Settings

  /// The configuration was read again.
  func adopt(_ settings: Settings) {
    context.adopt(settings)
    listeners.adopt(settings)
  }

  // MARK: Memory

  /// Events that are kept for streams that nobody reads are given up, and workers end connections: in both the client that
  /// has most goes first.
  private func makeRoom(_ excess: MemoryGuard.Excess) {
    _ = gateway.sessions.giveUpReplays(excess.bytes)
    gateway.postToAll { $0.give(excess) }
  }

  private func give(_ excess: MemoryGuard.Excess) {
    giveUpRequests()
    let counts = loop.counts
    let kept = Int(clamping: counts.buffered) + Int(clamping: counts.held)
    loop.relieve(toBytes: excess.leaves(of: kept))
  }

  // MARK: Other threads

  /// Runs `job` on the worker with that index: at once if it is this one, else by its mailbox.
  func on(_ worker: Int, _ job: @escaping @Sendable (Worker) -> Void) {
    if worker == index { job(self) } else { gateway.post(to: worker, job) }
  }
}

/// What the parts of a worker stand on, by its old names.
extension Worker {
  var logger: Logger { context.logger }
  var settings: Settings { context.settings }
  var now: UInt64 { loop.now }
  var minute: UInt32 { context.minute }
  var splice: Splice {
    _read { yield context.splice }
    _modify { yield &context.splice }
  }
  var idLine: Scratch { context.idLine }
  var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { headScratch.bytes(of: self) }
  }
  var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { bodyScratch.bytes(of: self) }
  }

  func tag(_ kind: TagKind, _ value: UInt64 = 0) -> UInt64 { kind.tag(value) }

  func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.timers.after(milliseconds: milliseconds, action)
  }

  func clientAddress(of connection: ConnectionID) -> ClientAddress? { context.clientAddress(of: connection) }
  func party(of connection: ConnectionID) -> Party { context.party(of: connection) }
  func principal(of connection: ConnectionID) -> Principal { context.principal(of: connection) }

  /// Whose listen it is.
  func principal(of path: ReplyPath) -> Principal {
    switch path {
    case .post(let connection): principal(of: connection)
    case .socket(let reply): principal(of: reply.connection)
    }
  }

  /// Whose call it is.
  func principal(of exchange: Exchange) -> Principal {
    if let session = exchange.session { return session.principal }
    switch exchange.origin {
    case .post(let connection): return principal(of: connection)
    case .socket(let reply): return principal(of: reply.connection)
    case .notice(let sender): return sender.party.principal
    default: return .anonymous
    }
  }

  func take(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    context.memory.take(bytes, for: party, on: home)
  }
  func takeMore(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    context.memory.takeMore(bytes, for: party, on: home)
  }
  func giveBack(_ bytes: Int, of party: Party, on home: Int) { context.memory.giveBack(bytes, of: party, on: home) }
}

/// Numbers that tell the listeners apart.
package enum ListenerLabel {
  package static let http: UInt32 = 1
  package static let admin: UInt32 = 2
  package static let webSocket: UInt32 = 3
}
