import Calls
import Clusters
import Delivery
import Demonstration
import Federation
import Front
import Lifecycle
import Links
import Logging
import OpenCalls
import Reactor
import Sessions
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// One event loop, and the parts that run on it: what their loop reads goes to them by the tag of its connection. Everything
/// here runs on the loop's thread, synchronously; other threads reach the parts by letter.
public final class Worker: LoopHandler, LetterReader, @unchecked Sendable {  // touched on its loop's thread alone
  let context: WorkerContext
  let index: Int
  let loop: EventLoop
  /// Where others find this worker.
  let place = WorkerPlace()
  private let gateway: GatewayState

  /// What goes to servers.
  let upstream: UpstreamClient
  private let exchange: HTTPExchange
  /// What goes to clients.
  let delivery: Delivery
  /// What clients ask for.
  let calls: Calls
  /// Where clients come in.
  private let doorway: Doorway
  /// Where operators do; of the control loop.
  private var admin: AdminFront?
  /// Those that accept, with what they are for.
  let listeners = WorkerListeners()
  let drain: WorkerDrain
  let expiry: Expiry
  /// Of the control loop.
  let memoryWatch: MemoryWatch?
  private let relief: MemoryRelief
  private let sweeper: SweepTimer

  /// - Parameter index: among the loops of the gateway; the control loop is the last.
  init(index: Int, gateway: GatewayState, options: EventLoop.Options, logger: Logger) throws {
    context = try WorkerContext(
      index: index, group: gateway.group, settings: gateway.settings, options: options, logger: logger)
    self.index = index
    self.gateway = gateway
    loop = context.loop
    upstream = UpstreamClient(
      context, gateway.upstream, DemonstrationServer(key: gateway.demonstrationKey, startedAt: gateway.startedAt)
    ) { Worker.look(at: $0, $1, gateway.control) }
    exchange = upstream.http
    sweeper = SweepTimer(loop, token: Self.sweepToken)
    delivery = Delivery(context, gateway.deliveries, upstream)
    calls = Calls(context, gateway.calls, upstream, delivery, sweeper)
    let tickets = TicketCache(gateway.sessions.keys, gateway.sessions.table)
    doorway = Doorway(
      FrontContext(context, gateway.deliveries, upstream, delivery, calls, tickets), hasEcho: gateway.debugEcho)
    let lifecycle = gateway.lifecycle
    let isControl = index == gateway.group.workerCount
    memoryWatch = isControl ? MemoryWatch(context, gateway.sessions.table, lifecycle.excess) : nil
    relief = MemoryRelief(context, upstream.requests, lifecycle.excess)
    drain = WorkerDrain(context, lifecycle, listeners, upstream, delivery, calls)
    expiry = Expiry(context, upstream.requests, delivery, gateway.sessions, tickets, memoryWatch)
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
    case .unreachable(let why, let endpoint): control?.suspect(cluster, endpoint, why)
    case .linkDied(let why, let endpoint): control?.suspect(cluster, endpoint, why)
    case .opened(let endpoint): control?.opened(cluster, endpoint)
    case .fared(let outcomes, let endpoint): control?.fared(cluster, endpoint, outcomes)
    case .misunderstood: control?.misunderstood(cluster)
    case .woken: control?.woken(cluster)
    case .awaited(let done): if let control { control.awaitReturn(of: cluster, done) } else { done() }
    }
  }

  /// Has connections of the admin listener served; before the loop runs.
  public func serve(_ service: any AdminService) { admin = AdminFront(context, service) }

  /// The configuration was read again.
  public func open(_ settings: Settings) {
    context.adopt(settings)
    listeners.adopt(settings)
    doorway.adopt(settings)
    admin?.adopt(settings)
    gateway.sessions.table.adopt(SessionCensus.Bounds(settings))
  }

  // MARK: What clients send

  public func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    if let admin, loop.listenerLabel(of: connection) == ListenerLabel.admin {
      return admin.request(connection, head, body)
    }
    doorway.request(connection, head, body)
  }

  public func peerEnded(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .call:
      // A half-closed legacy client may still read its answer.
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

  public func closed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError) {
    delivery.answers.closed(connection)
    switch TagKind(of: tag) {
    case .call: calls.inFlight.clientGone(CallID(rawValue: TagKind.value(of: tag)))
    case .eventStream, .listen: delivery.readerGone(connection)
    case .socket, .echo: delivery.sockets.gone(SocketID(rawValue: TagKind.value(of: tag)))
    case .admin: admin?.ended(connection)
    default: break
    }
  }

  public func drained(_ connection: ConnectionID, tag: UInt64) {
    switch TagKind(of: tag) {
    case .call: calls.inFlight.resumeSource(of: CallID(rawValue: TagKind.value(of: tag)))
    case .eventStream:
      // The answer of a call may be read here, on another connection than that of its POST.
      guard let session = delivery.streams.session(readBy: connection) else { return }
      calls.inFlight.resumeSources(of: calls.inFlight.calls(of: session))
    case .socket: calls.inFlight.resumeSources(of: calls.inFlight.calls(over: connection))
    case .admin: admin?.drained(connection)
    default: break
    }
  }

  public func websocketMessage(_ connection: ConnectionID, tag: UInt64, _ message: RawSpan, binary: Bool) {
    let value = TagKind.value(of: tag)
    switch TagKind(of: tag) {
    case .socket: doorway.received(SocketID(rawValue: value), message, binary: binary)
    case .echo: loop.webSockets.send(connection, message, binary: binary)
    case .link: upstream.links[UInt32(value)]?.received(message)
    default: break
    }
  }

  // MARK: What servers send

  public func response(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    switch TagKind(of: tag) {
    case .request: exchange.began(RequestID(rawValue: TagKind.value(of: tag)), connection, head)
    case .upstreamStream: upstream.streams.began(connection, head)
    default: break
    }
  }

  public func responseBody(
    _ connection: ConnectionID, tag: UInt64, _ piece: RawSpan, last: Bool, reusable: Bool
  ) {
    switch TagKind(of: tag) {
    case .request:
      exchange.piece(
        RequestID(rawValue: TagKind.value(of: tag)), connection, piece, last: last, reusable: reusable)
    case .lingering where last: upstream.requests.connections.lingeringEnded(connection, reusable: reusable)
    case .upstreamStream: upstream.streams.piece(connection, piece, last: last)
    default: break
    }
  }

  public func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    upstream.upstreamClosed(connection, tag: tag, error, sent: sent)
  }

  public func upstreamGone(_ connection: ConnectionID) { upstream.requests.connections.gone(connection) }

  public func websocketOpened(_ connection: ConnectionID, tag: UInt64, _ head: ResponseHead) {
    if case .link = TagKind(of: tag) { upstream.links[UInt32(TagKind.value(of: tag))]?.opened() }
  }

  public func childLine(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    upstream.links[UInt32(TagKind.value(of: tag))]?.received(line)
  }

  public func childOverlong(_ child: ConnectionID, tag: UInt64, _ part: RawSpan, ended: Bool) {
    upstream.links[UInt32(TagKind.value(of: tag))]?.overlong(part, ended: ended)
  }

  public func childLog(_ child: ConnectionID, tag: UInt64, _ line: RawSpan) {
    upstream.links.childSaid(UInt32(TagKind.value(of: tag)), line)
  }

  public func childDropped(_ child: ConnectionID, tag: UInt64, _ loss: ChatterLoss) {
    upstream.links.childDropped(UInt32(TagKind.value(of: tag)), loss)
  }

  public func childExited(
    _ child: ConnectionID, tag: UInt64, _ error: ReactorError, status: Int64, signal: Int32
  ) {
    upstream.links.childExited(UInt32(TagKind.value(of: tag)), error, status: status, signal: signal)
  }

  // MARK: Time

  private static let sweepToken: UInt64 = 1

  public func timer(_ token: UInt64) {
    guard token == Self.sweepToken else { return context.timers.fired(token) }
    sweeper.fired()
    let isCalling = calls.inFlight.lookAtDeadlines()
    if upstream.sweep() || isCalling { sweeper.arm() }
  }
}

/// Where a worker is, until it ends. Not a weak reference: with one, every retain of the worker would take the slow way.
final class WorkerPlace: @unchecked Sendable {  // read on the worker's loop, and before its thread and after it
  fileprivate unowned(unsafe) var worker: Worker?

  func enter(_ worker: Worker) { unsafe self.worker = worker }
  func leave() { unsafe worker = nil }
}

/// A worker as other threads know it.
struct WorkerHandle: Sendable {
  let loop: LoopHandle
  private let place: WorkerPlace

  init(_ worker: Worker) {
    loop = worker.loop.handle
    place = worker.place
  }

  func post(_ job: @escaping @Sendable (Worker) -> Void) {
    // What a worker has not done when it ends comes back as its loop is destroyed, when nobody is left to do it.
    loop.post { [place] in if let worker = unsafe place.worker { job(worker) } }
  }

  func stop() { loop.stop() }

  /// Gives the worker's loop a thread.
  func run(name: String) -> Thread {
    Thread(name: name) { [place] in unsafe place.worker?.loop.run() }
  }
}
