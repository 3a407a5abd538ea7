import Clusters
import Links
import MCP
import Reactor
import Upstream
import Wire
import Workers

/// Whose requests go over connections.
protocol ConnectionUser: AnyObject {
  /// nil once it is over.
  func find(_ id: RequestID) -> UpstreamRequest?
  func fail(_ request: UpstreamRequest, _ error: GatewayError, _ message: [UInt8]?)
}

/// The connections of one worker over which requests are POSTed: which of them carries which, who waits for one, and when they
/// close. `PoolState` decides that; here it is carried out.
///
/// A connection counts from when it is begun until its descriptor is closed (`gone`), whoever ends it.
public final class Connections {
  private let context: WorkerContext
  private let loop: EventLoop
  private let memory: RequestMemory
  private let mail: Mailboxes<UpstreamLetter>
  private unowned(unsafe) var listener: (any ConnectionUser)?
  private var user: any ConnectionUser { unsafe listener! }
  private var held: [ConnectionID: Held] = [:]
  /// Those whose answer is known and whose end is awaited, with the time to give up.
  private var lingering: [ConnectionID: (hold: ClusterHold, until: UInt64)] = [:]
  /// Those that are not read for now.
  private var paused: Set<ConnectionID> = []
  private var armSweep: () -> Void = {}

  private struct Held {
    let stake: UpstreamStake
    let lease: Lease
  }

  init(_ context: WorkerContext, _ memory: RequestMemory, _ mail: Mailboxes<UpstreamLetter>) {
    self.context = context
    loop = context.loop
    self.memory = memory
    self.mail = mail
  }

  /// Before anything is sent.
  func connect(to user: any ConnectionUser, armSweep: @escaping () -> Void) {
    unsafe listener = user
    self.armSweep = armSweep
  }

  // MARK: Sending

  /// Sends a request over an idle connection or a new one. A client's waits where there is none to be had; what the gateway
  /// says for itself goes over one beyond the pool.
  func post(_ request: UpstreamRequest, _ head: RawSpan, _ message: RawSpan, _ hold: ClusterHold, now: UInt64) {
    guard request.isClients else { return postAside(request, head, message, hold) }
    // What goes out again goes over a fresh one: another that was idle may have been closed with the first.
    switch hold.stake.checkout(request.id, isFresh: request.retries.attempts > 1, now: now) {
    case .use(let connection, _, let wasUsed):
      send(request, head, message, over: connection, hold, now: now)
      if !wasUsed { request.reusedAt = nil }
    case .connect(let lease, let old):
      if let old { close(old) }
      connect(request, head, message, hold, lease)
    case .wait(let place, let letter):
      wait(request, head, message, hold, place)
      if let letter { send(letter, about: hold.stake) }
    case .refuse(let letter):
      if let letter { send(letter, about: hold.stake) }
      user.fail(request, poolTimeout(hold), nil)
    }
  }

  private func postAside(_ request: UpstreamRequest, _ head: RawSpan, _ message: RawSpan, _ hold: ClusterHold) {
    // A listen takes its connection for as long as it lasts.
    if request.isListen { return connect(request, head, message, hold, .beyond) }
    let (lease, connection, old) = hold.stake.checkoutAside(now: loop.now)
    if let connection { return send(request, head, message, over: connection, hold, now: loop.now) }
    if let old { close(old) }
    connect(request, head, message, hold, lease)
  }

  private func send(
    _ request: UpstreamRequest, _ head: RawSpan, _ message: RawSpan, over connection: ConnectionID,
    _ hold: ClusterHold, now: UInt64
  ) {
    loop.setTag(connection, TagKind.request.tag(request.id.rawValue))
    request.state.sent()
    if case .stale = loop.send(connection, head, message) {
      // The upstream has ended it, which was seen before anything was sent: a new one takes its place.
      let former = forget(connection)
      loop.abort(connection)
      return connect(request, head, message, hold, hold.stake.pool.lease(renewing: former, now: now))
    }
    request.carrier = .connection(connection)
    request.reusedAt = now
  }

  private func connect(
    _ request: UpstreamRequest, _ head: RawSpan, _ message: RawSpan, _ hold: ClusterHold, _ lease: Lease
  ) {
    request.state.sent()
    guard let connection = open(hold, lease, tag: TagKind.request.tag(request.id.rawValue)) else {
      carryOut(hold.stake.ended(lease, now: loop.now), hold.stake)
      return user.fail(request, .overloaded, nil)
    }
    request.carrier = .connection(connection)
    request.reusedAt = nil
    loop.send(connection, head, message)
  }

  private func open(_ hold: ClusterHold, _ lease: Lease, tag: UInt64) -> ConnectionID? {
    guard let connection = hold.connect(loop, tag: tag) else { return nil }
    held[connection] = Held(stake: hold.stake, lease: lease)
    // Those beyond the size of the pool are not to stay.
    if hold.stake.isPressed { armSweep() }
    if lease != .standing { hold.stake.termed += 1 }
    noteUtilisation(hold.stake)
    return connection
  }

  /// It is not counted here any more.
  @discardableResult
  private func forget(_ connection: ConnectionID) -> Lease {
    if !paused.isEmpty { paused.remove(connection) }
    guard let entry = held.removeValue(forKey: connection) else { return .beyond }
    if entry.lease != .standing { entry.stake.termed -= 1 }
    return entry.lease
  }

  /// Its permit is somebody else's already.
  private func close(_ connection: ConnectionID) {
    forget(connection)
    loop.abort(connection)
  }

  // MARK: Waiting

  private func wait(
    _ request: UpstreamRequest, _ head: RawSpan, _ message: RawSpan, _ hold: ClusterHold, _ place: PoolPlace
  ) {
    armSweep()
    if request.waitsUntil == 0 {
      request.waitsUntil = min(request.deadline, loop.now + hold.endpoint.pool.checkoutTimeout)
    }
    let isLate = request.waitsUntil <= loop.now
    guard let error = isLate ? poolTimeout(hold) : memory.hold(head, message, of: request, at: place) else { return }
    hold.stake.leave(place)
    user.fail(request, error, nil)
  }

  /// A request does not wait for a connection any more, if it did.
  func leave(_ request: UpstreamRequest) {
    guard let waiting = memory.release(request) else { return }
    request.hold?.with { $0.stake.leave(waiting.place) }
  }

  /// The turn of a request has come.
  private func begin(_ request: UpstreamRequest, over connection: ConnectionID, _ hold: ClusterHold) {
    guard let waiting = memory.release(request) else { return }
    send(request, waiting.head, waiting.message, over: connection, hold, now: loop.now)
  }

  private func poolTimeout(_ hold: ClusterHold) -> GatewayError {
    .poolTimeout(hold.cluster, milliseconds: hold.endpoint.pool.checkoutTimeout, limit: hold.endpoint.pool.limit)
  }

  // MARK: Reading

  /// Stops reading what comes over a connection until `resume`, or the end of its use.
  func pause(_ connection: ConnectionID) {
    paused.insert(connection)
    loop.pauseReading(connection)
  }

  func resume(_ connection: ConnectionID) {
    if !paused.isEmpty, paused.remove(connection) != nil { loop.resumeReading(connection) }
  }

  // MARK: After use

  /// A connection whose request is over: it carries another, or is idle, or closes.
  public func release(_ connection: ConnectionID, _ hold: ClusterHold, reusable: Bool) {
    // It may have been paused for a slow reader with its last bytes.
    resume(connection)
    let stake = hold.stake
    let lease = stake.termed == 0 ? .standing : held[connection]?.lease ?? .beyond
    let serves = reusable && !(hold.cluster.isRetired && stake.pool.waitingCount == 0)
    switch stake.released(connection, lease, reusable: serves, now: loop.now) {
    case .keep: loop.setTag(connection, TagKind.idle.tag(UInt64(stake.id)))
    case .hand(let caller): hand(connection, to: caller, hold)
    case .close: loop.close(connection)
    case .pass(let letter):
      close(connection)
      if let letter { send(letter, about: stake) }
    }
  }

  private func hand(_ connection: ConnectionID, to caller: RequestID, _ former: ClusterHold) {
    guard let request = user.find(caller), let hold = request.hold else {
      return release(connection, former, reusable: true)
    }
    hold.with { begin(request, over: connection, $0) }
  }

  /// The answer came, the body has not ended: it should at once.
  public func linger(_ connection: ConnectionID, _ hold: ClusterHold) {
    lingering[connection] = (hold, loop.now + 1000)
    resume(connection)
    loop.setTag(connection, TagKind.lingering.tag())
    armSweep()
  }

  public func lingeringEnded(_ connection: ConnectionID, reusable: Bool) {
    guard let entry = lingering.removeValue(forKey: connection) else { return loop.abort(connection) }
    release(connection, entry.hold, reusable: reusable)
  }

  public func lingeringClosed(_ connection: ConnectionID) { lingering[connection] = nil }

  /// The upstream ended an idle connection, or it did not come about.
  public func idleClosed(_ connection: ConnectionID, _ error: ReactorError) {
    held[connection]?.stake.pool.idleEnded(
      connection, wasOpen: error.isPeerClosed || error.isDisconnected, now: loop.now)
  }

  /// A connection is closed, whoever ended it.
  public func gone(_ connection: ConnectionID) {
    guard let stake = held[connection]?.stake else { return }
    let lease = forget(connection)
    carryOut(stake.ended(lease, now: loop.now), stake)
  }

  // MARK: Permits

  /// What another worker's pool says of an endpoint.
  func open(_ letter: PoolLetter, _ stake: UpstreamStake) {
    switch letter {
    case .permit:
      for step in stake.permitCame(now: loop.now) { carryOut(step, stake) }
    case .giveUpIdle(_, let asked):
      while let step = stake.askedToGiveUp(asked: asked) {
        carryOut(step, stake)
        guard case .close = step else { return }
      }
    }
  }

  private func carryOut(_ step: UpstreamStake.Pool.Step?, _ stake: UpstreamStake) {
    var next = step
    while let step = next {
      next = nil
      switch step {
      case .connect(let caller, let lease):
        guard let request = user.find(caller), let hold = request.hold, let waiting = memory.release(request) else {
          next = stake.ended(lease, now: loop.now)
          continue
        }
        hold.with { connect(request, waiting.head, waiting.message, $0, lease) }
      case .close(let connection, let lease):
        close(connection)
        next = stake.ended(lease, now: loop.now)
      case .send(let letter):
        send(letter, about: stake)
      }
    }
    noteUtilisation(stake)
  }

  private func send(_ letter: PoolLetter, about stake: UpstreamStake) {
    switch letter {
    case .permit(let other), .giveUpIdle(let other, _): mail.send(.pool(letter, stake.endpoint), to: other)
    }
  }

  private func noteUtilisation(_ stake: UpstreamStake) {
    guard let level = stake.takeNews() else { return }
    let (name, limit) = (stake.name, stake.endpoint.pool.limit)
    switch level {
    case .normal: context.logger.info("\(name): connections are to be had again")
    case .warning: context.logger.warning("\(name): more than 70 % of its \(limit) connections (pool) are taken")
    case .critical: context.logger.warning("\(name): more than 90 % of its \(limit) connections (pool) are taken")
    }
  }

  // MARK: Time

  /// Looks at who has waited for too long, at what is idle, and at what does not end. True if there is more to be looked at soon.
  func sweep(_ stakes: some Sequence<UpstreamStake>) -> Bool {
    var isPressed = false
    for stake in stakes where stake.isPressed {
      while let caller = stake.timedOut(now: loop.now) {
        guard let request = user.find(caller), memory.release(request) != nil, let hold = request.hold else { continue }
        hold.with { user.fail(request, poolTimeout($0), nil) }
      }
      expire(stake)
      isPressed = isPressed || stake.isPressed
    }
    for (connection, entry) in lingering where entry.until <= loop.now {
      lingering[connection] = nil
      loop.abort(connection)
    }
    return isPressed || !lingering.isEmpty
  }

  /// Closes what has been idle for long, and what is not needed beyond the size of the pool.
  func expire(_ stake: UpstreamStake) {
    for (connection, lease) in stake.expire(now: loop.now) { carryOut(.close(connection, lease), stake) }
    noteUtilisation(stake)
  }

  /// Opens connections that are held ready.
  func openAhead(_ hold: ClusterHold) {
    let stake = hold.stake
    while let lease = stake.openAhead(now: loop.now) {
      guard let connection = open(hold, lease, tag: TagKind.idle.tag(UInt64(stake.id))) else {
        return carryOut(stake.ended(lease, now: loop.now), stake)
      }
      stake.pool.opened(connection, lease, now: loop.now)
    }
  }

  /// Closes all that are idle.
  func closeIdle(_ stake: UpstreamStake) {
    for (connection, lease) in stake.pool.takeAllIdle() { carryOut(.close(connection, lease), stake) }
  }

  // MARK: What is open

  public var count: Int { held.count }
  public var lingeringCount: Int { lingering.count }
}
