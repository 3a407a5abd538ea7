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
package final class Worker: LoopHandler, LetterReader, @unchecked Sendable {  // touched on its loop's thread alone, by what is posted
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

  /// What goes to clients.
  let delivery: Delivery
  let preflight: Preflight
  /// What goes to servers.
  let upstream: UpstreamClient
  // Of that, for the shortest way.
  let requests: Requests
  private let exchange: HTTPExchange
  /// What clients ask for.
  let calls: Calls
  var tickets = TicketCache()
  /// Those that accept, with what they are for.
  let listeners = WorkerListeners()
  /// Which pages and hosts the listeners serve.
  private(set) var httpOrigins: OriginPolicy
  private(set) var socketOrigins: OriginPolicy
  private let sweeper: SweepTimer
  /// Of the control loop.
  private lazy var memoryWatch = MemoryWatch(context, gateway.sessions, gateway.lifecycle.excess)
  private let relief: MemoryRelief

  /// Of the control loop.
  private var admin: AdminFront?
  var control: Federation? { gateway.control }

  init(index: Int, gateway: GatewayState, options: EventLoop.Options, logger: Logger) throws {
    context = try WorkerContext(
      index: index, group: gateway.group, settings: gateway.settings, options: options, logger: logger)
    httpOrigins = .ofHTTP(context.settings)
    socketOrigins = .ofWebSocket(context.settings)
    self.index = index
    loop = context.loop
    preflight = Preflight(context)
    headScratch = context.head
    bodyScratch = context.body
    requestScanner = context.requestScanner
    answerScanner = context.answerScanner
    self.gateway = gateway
    upstream = UpstreamClient(
      context, gateway.upstream, DemonstrationServer(key: gateway.demonstrationKey, startedAt: gateway.startedAt)
    ) { Worker.look(at: $0, $1, gateway.control) }
    requests = upstream.requests
    exchange = upstream.http
    relief = MemoryRelief(context, upstream.requests, gateway.lifecycle.excess)
    sweeper = SweepTimer(loop, token: TimerToken.sweep.rawValue)
    delivery = Delivery(context, gateway.deliveries, upstream)
    calls = Calls(context, gateway.calls, upstream, delivery, sweeper)
    loop.hand(to: self)
    place.enter(self)
    gateway.currentSettings.mail.open(index, for: self)
  }

  deinit {
    calls.close()
    delivery.close()
    relief.close()
    gateway.currentSettings.mail.close(index)
    context.group.leave(index)
    place.leave()
  }

  /// An upstream does not fare as the control loop believes.
  private static func look(at cluster: Cluster, _ doubt: UpstreamDoubt, _ control: Federation?) {
    switch doubt {
    case .unreachable(let why): control?.suspect(cluster, why)
    case .linkDied(let why): control?.linkDied(cluster, why)
    case .misunderstood: control?.misunderstood(cluster)
    }
  }

  /// Has connections of the admin listener served; before the loop runs.
  package func serve(_ service: any AdminService) { admin = AdminFront(context, service) }

  // MARK: LoopHandler

  package func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    if let admin, loop.listenerLabel(of: connection) == ListenerLabel.admin {
      return admin.request(connection, head, body)
    }
    serveHTTP(connection, head, body)
  }

  package func peerEnded(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .call:
      if calls.inFlight.peerEnded(CallID(rawValue: TagKind.value(of: tag))) { loop.abort(connection) }
    case .eventStream, .listen:
      delivery.readerGone(connection)
      loop.abort(connection)
    case .socket, .echo:
      delivery.sockets.gone(SocketID(rawValue: TagKind.value(of: tag)))
      loop.abort(connection)
    case .admin:
      admin?.ended(connection)
      loop.abort(connection)
    default:
      break
    }
  }

  package func closed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError) {
    delivery.answers.closed(connection)
    switch TagKind(of: tag) {
    case .call: calls.inFlight.clientGone(CallID(rawValue: TagKind.value(of: tag)))
    case .eventStream, .listen: delivery.readerGone(connection)
    case .socket, .echo: delivery.sockets.gone(SocketID(rawValue: TagKind.value(of: tag)))
    case .admin: admin?.ended(connection)
    default: break
    }
  }

  package func drained(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .call:
      calls.inFlight.resumeSource(of: CallID(rawValue: TagKind.value(of: tag)))
    case .eventStream:
      // The answer of a call may be read here, on another connection than that of its POST.
      guard let session = delivery.streams.session(readBy: connection) else { return }
      calls.inFlight.resumeSources(of: calls.inFlight.calls(of: session))
    case .socket:
      calls.inFlight.resumeSources(of: calls.inFlight.calls(over: connection))
    case .admin: admin?.drained(connection)
    default: break
    }
  }

  package func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    switch TagKind(of: tag) {
    case .request: exchange.began(RequestID(rawValue: TagKind.value(of: tag)), connection, head)
    case .upstreamStream: upstream.streams.began(connection, head)
    default: break
    }
  }

  package func responseBody(
    _ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool
  ) {
    switch TagKind(of: tag) {
    case .request:
      exchange.piece(
        RequestID(rawValue: TagKind.value(of: tag)), connection, piece, last: last, reusable: reusable)
    case .lingering where last: upstream.requests.lingeringEnded(connection, reusable: reusable)
    case .upstreamStream: upstream.streams.piece(connection, piece, last: last)
    default: break
    }
  }

  package func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    upstream.upstreamClosed(connection, tag: tag, error, sent: sent)
  }

  package func websocketMessage(_ connection: ConnectionID, tag: UInt64, _ message: RawSpan, binary: Bool) {
    switch TagKind(of: tag) {
    case .socket: socketReceived(SocketID(rawValue: TagKind.value(of: tag)), message, binary: binary)
    case .echo: loop.webSockets.send(connection, message, binary: binary)
    case .link: upstream.links[UInt32(TagKind.value(of: tag))]?.received(message)
    default: break
    }
  }

  package func websocketOpened(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    if case .link = TagKind(of: tag) { upstream.links[UInt32(TagKind.value(of: tag))]?.opened() }
  }

  package func childLine(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    upstream.links[UInt32(TagKind.value(of: tag))]?.received(line)
  }

  package func childOverlong(_ child: ConnectionID, tag: UInt64, _ part: RawSpan, ended: Bool) {
    upstream.links[UInt32(TagKind.value(of: tag))]?.overlong(part, ended: ended)
  }

  package func childLog(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    upstream.links.childSaid(UInt32(TagKind.value(of: tag)), line)
  }

  package func childDropped(_ child: ConnectionID, tag: UInt64, _ loss: ChatterLoss) {
    upstream.links.childDropped(UInt32(TagKind.value(of: tag)), loss)
  }

  package func childExited(
    _ child: ConnectionID, tag: UInt64, _ error: ReactorError, status: Int64, signal: Int32
  ) {
    upstream.links.childExited(UInt32(TagKind.value(of: tag)), error, status: status, signal: signal)
  }

  // MARK: Time

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

  private func sweep() {
    sweeper.fired()
    let isCalling = calls.inFlight.lookAtDeadlines()
    if upstream.sweep() || isCalling { sweeper.arm() }
  }

  // MARK: Settings

  /// The configuration was read again.
  func open(_ settings: Settings) {
    context.adopt(settings)
    listeners.adopt(settings)
    httpOrigins = .ofHTTP(settings)
    socketOrigins = .ofWebSocket(settings)
    admin?.adopt(settings)
    gateway.sessions.adopt(SessionCensus.Bounds(settings))
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

  func take(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    context.memory.take(bytes, for: party, on: home)
  }
  func takeMore(_ bytes: Int, for party: Party, on home: Int) -> GatewayError? {
    context.memory.takeMore(bytes, for: party, on: home)
  }
  func giveBack(_ bytes: Int, of party: Party, on home: Int) { context.memory.giveBack(bytes, of: party, on: home) }
}
