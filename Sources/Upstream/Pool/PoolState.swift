import Wire

/// The connections of one worker to one endpoint, and its callers that wait for one. What it may open it asks `Permits`
/// for, which all workers have in common. A value without I/O: what has to be done it returns.
///
/// While a connection is idle nobody waits, here or, once every letter has arrived, elsewhere. Whoever waits either
/// stands in `Permits` with this worker's ticket, or a permit is on its way here.
public struct PoolState<Connection: Equatable & Sendable, Caller: Sendable>: Sendable {
  /// How a caller comes by a connection.
  public enum Checkout {
    case use(Connection, Lease, wasUsed: Bool)
    /// A new one, after one that is too old for use has been closed.
    case connect(Lease, closing: Connection?)
    /// It will be called.
    case wait(PoolPlace, PoolLetter?)
    /// There is none, and nobody waits (`checkoutTimeout` 0). Another worker is asked for one that is idle there, for the
    /// next.
    case refuse(PoolLetter?)
  }

  /// What becomes of a connection that has served.
  public enum Return {
    case hand(Caller)
    case keep
    /// It is closed, and then `ended`.
    case close
    /// It is closed, and then whoever has its permit by now is told so.
    case pass(PoolLetter?)
  }

  public enum Step {
    case connect(Caller, Lease)
    /// It is closed, and then `ended`.
    case close(Connection, Lease)
    case send(PoolLetter)
  }

  public let worker: Int
  /// The bits of all workers but this one.
  private let others: UInt64
  /// Among so many, and the control loop.
  private let workers: Int
  public let bounds: PoolBounds
  private var idle = IdleConnections<Connection>()
  private var line = WaitingLine<Caller>()
  /// Connections that hold a permit, from when they are begun until they are closed.
  public private(set) var open = 0
  /// For when connections end.
  private var random: SplitMix
  /// When connections are opened ahead again, after one of those could not be.
  private var backoff: Backoff
  private var aheadAt: UInt64 = 0
  /// What the permits were told of idle connections last.
  private var toldIdle = 0

  /// - Parameters:
  ///   - workers: without the control loop.
  ///   - seed: of what is spread.
  public init(worker: Int, of workers: Int, _ bounds: PoolBounds, seed: UInt32) {
    self.worker = worker
    others = ~PermitState.bit(worker)
    self.workers = workers
    self.bounds = bounds
    random = SplitMix(state: UInt64(seed))
    backoff = Backoff(seed: seed)
  }

  public var idleCount: Int { idle.count }
  public var waitingCount: Int { line.count }

  // MARK: Taking

  /// A caller wants a connection, and waits if there is none.
  /// - Parameter isFresh: one that was used before will not do, as long as no other has to be waited for.
  public mutating func checkout(
    _ caller: Caller, isFresh: Bool = false, now: UInt64, _ permits: Permits
  ) -> Checkout {
    if !isFresh, let found = idle.take(bounds.strategy, now: now) {
      return .use(found.connection, found.lease, wasUsed: found.wasUsed)
    }
    return checkoutAnother(caller, now, permits)
  }

  private mutating func checkoutAnother(_ caller: Caller, _ now: UInt64, _ permits: Permits) -> Checkout {
    if let old = idle.takeLongestIdle() { return .connect(lease(now), closing: old.connection) }
    if bounds.checkoutTimeout == 0 { return checkoutAtOnce(now, permits) }
    guard line.isEmpty else { return .wait(line.join(caller, since: now), nil) }
    toldIdle = 0
    switch permits.change({ $0.acquire(worker, since: now) }) {
    case .granted:
      open += 1
      return .connect(lease(now), closing: nil)
    case .wait(let other):
      let place = line.join(caller, since: now)
      return .wait(place, other.map { .giveUpIdle(to: $0, asked: PermitState.bit(worker)) })
    }
  }

  private mutating func checkoutAtOnce(_ now: UInt64, _ permits: Permits) -> Checkout {
    switch permits.change({ $0.acquire(worker, since: now) }) {
    case .granted:
      open += 1
      return .connect(lease(now), closing: nil)
    case .wait(let other):
      return .refuse(other.map { .giveUpIdle(to: $0, asked: PermitState.bit(worker)) })
    }
  }

  /// The same for what must not wait: without a permit it goes over a connection beyond the pool.
  public mutating func checkoutAside(now: UInt64, _ permits: Permits) -> (Lease, Connection?, closing: Connection?) {
    if let found = idle.take(bounds.strategy, now: now) { return (found.lease, found.connection, nil) }
    if let old = idle.takeLongestIdle() { return (lease(now), nil, old.connection) }
    guard permits.change({ $0.acquireAside(worker) }) else { return (.beyond, nil, nil) }
    open += 1
    return (lease(now), nil, nil)
  }

  /// What a holder takes for a connection that was dead already: the permit goes over to a new one.
  public mutating func lease(renewing lease: Lease, now: UInt64) -> Lease { lease.isPooled ? self.lease(now) : lease }

  // MARK: Giving back

  /// A connection has served.
  /// - Parameter reusable: it can serve again.
  public mutating func released(
    _ connection: Connection, _ lease: Lease, reusable: Bool, now: UInt64, _ permits: Permits
  ) -> Return {
    guard reusable, lease.expiresAt > now else { return .close }
    guard line.isEmpty else { return handOn(permits) }
    if permits.waiting & others != 0,
      case .drop(let other) = permits.change({ $0.yield(worker) })
    {
      open -= 1
      return .pass(Self.letter(other))
    }
    if aheadAt != 0 { canOpenAgain() }
    idle.append(connection, lease, now: now)
    return .keep
  }

  private mutating func handOn(_ permits: Permits) -> Return {
    if case .drop(let other) = turn(permits) {
      open -= 1
      return .pass(Self.letter(other))
    }
    return nextCaller(permits).map { .hand($0) } ?? .close
  }

  /// A connection is gone, or could not be had: closed by either side, in use or not. Its permit may serve the next
  /// caller.
  public mutating func ended(_ lease: Lease, now: UInt64, _ permits: Permits) -> Step? {
    guard lease.isPooled else { return nil }
    open -= 1
    guard !line.isEmpty else { return Self.letter(permits.change { $0.release(worker) }).map { .send($0) } }
    if case .drop(let other) = turn(permits) { return Self.letter(other).map { .send($0) } }
    guard let caller = nextCaller(permits) else { return nil }
    open += 1
    return .connect(caller, self.lease(now))
  }

  /// An idle connection was ended by its upstream, or never came about. Once it is closed it has `ended`.
  /// - Parameter wasOpen: else it tells nothing of how long one may be idle.
  public mutating func idleEnded(_ connection: Connection, wasOpen: Bool, now: UInt64) {
    if wasOpen { return idle.ended(connection, now: now) }
    idle.remove(connection)
    aheadAt = now + backoff.failed()
  }

  /// Whether a connection that callers of this worker wait for goes to another.
  private func turn(_ permits: Permits) -> PermitState.Passing {
    guard permits.entitled != 0, let first = line.since else { return .keep }
    let next = line.nextSince
    return permits.change { $0.pass(worker, first: first, next: next) }
  }

  private mutating func nextCaller(_ permits: Permits) -> Caller? {
    let caller = line.popFirst()
    // Who is the first by now need not be known elsewhere, unless it is by `turn`.
    if line.isEmpty { permits.change { $0.renew(worker, nil) } }
    return caller
  }

  // MARK: Among workers

  /// A permit was granted to this worker.
  public mutating func permitCame(now: UInt64, _ permits: Permits) -> [Step] {
    guard let caller = line.popFirst() else {
      return Self.letter(permits.change { $0.release(worker) }).map { [.send($0)] } ?? []
    }
    open += 1
    var steps: [Step] = [.connect(caller, lease(now))]
    while let since = line.since {
      switch permits.change({ $0.acquire(worker, since: since) }) {
      case .granted:
        guard let caller = line.popFirst() else { return steps }
        open += 1
        steps.append(.connect(caller, lease(now)))
      case .wait(let other):
        if let other { steps.append(.send(.giveUpIdle(to: other, asked: PermitState.bit(worker)))) }
        return steps
      }
    }
    permits.change { $0.renew(worker, nil) }
    return steps
  }

  /// Somebody waits, and asks for an idle connection. To be told again after each that was closed: it goes to who has
  /// waited longest, whoever asked.
  /// - Parameter asked: a bit for each worker that was asked before.
  public mutating func askedToGiveUp(asked: UInt64, _ permits: Permits) -> Step? {
    let asked = asked | PermitState.bit(worker)
    guard permits.waiting & others != 0 else { return nil }
    if let entry = idle.takeLongestIdle() { return .close(entry.connection, entry.lease) }
    return permits.nextToAsk(asked: asked).map { .send(.giveUpIdle(to: $0, asked: asked)) }
  }

  // MARK: Waiting

  /// A caller does not wait any more. False if it had been called.
  @discardableResult
  public mutating func leave(_ place: PoolPlace, _ permits: Permits) -> Bool {
    guard line.leave(place) else { return false }
    renew(permits)
    return true
  }

  /// The next of those that have waited for too long, and do not any more.
  public mutating func timedOut(now: UInt64, _ permits: Permits) -> Caller? {
    guard let since = line.since, now >= since + bounds.checkoutTimeout else { return nil }
    let caller = line.popFirst()
    renew(permits)
    return caller
  }

  private func renew(_ permits: Permits) {
    let since = line.since
    if since == nil || permits.entitled & PermitState.bit(worker) != 0 { permits.change { $0.renew(worker, since) } }
  }

  // MARK: Time

  /// Connections that have been idle or open for too long, and those beyond `size` that were not needed for a moment:
  /// they are closed, and then `ended`. One that was closed as soon as it is back would have to be opened again for the
  /// next call, while so many are under way.
  public mutating func expire(now: UInt64, _ permits: Permits) -> [(Connection, Lease)] {
    line.trim()
    let kept = bounds.minIdle(of: worker, among: workers)
    var expired = idle.takeExpired(after: bounds.idleTimeout, keeping: kept, now: now)
    let surplus = idle.takeSurplus(now: now)
    for _ in 0..<min(surplus, permits.excess) {
      if let entry = idle.takeLongestIdle() { expired.append(entry) }
    }
    if idle.count != toldIdle {
      toldIdle = idle.count
      permits.change { $0.note(idle: idle.count, of: worker) }
    }
    return expired.map { ($0.connection, $0.lease) }
  }

  /// Whether it has to be looked at again soon: for who waits, or for connections beyond `size`.
  public func isPressed(_ permits: Permits) -> Bool { !line.isEmpty || permits.excess > 0 && open > 0 }

  /// A connection is opened before anybody needs it, and then `opened`; nil where there are enough.
  public mutating func openAhead(now: UInt64, _ permits: Permits) -> Lease? {
    let wanted = bounds.minIdle(of: worker, among: workers)
    guard idle.count < wanted, line.isEmpty, now >= aheadAt, permits.change({ $0.acquireAhead(worker) }) else {
      return nil
    }
    open += 1
    return lease(now)
  }

  /// It is there, or on its way: whoever takes it waits for that.
  public mutating func opened(_ connection: Connection, _ lease: Lease, now: UInt64) {
    idle.append(connection, lease, wasUsed: false, now: now)
  }

  private mutating func canOpenAgain() {
    backoff.succeeded()
    aheadAt = 0
  }

  /// Takes out all that are idle: they are closed, and then `ended`.
  public mutating func takeAllIdle() -> [(Connection, Lease)] { idle.takeAll().map { ($0.connection, $0.lease) } }

  /// Of a connection that is begun now. Those that are begun together do not end together: up to a tenth sooner.
  private mutating func lease(_ now: UInt64) -> Lease {
    guard bounds.maxAge != .max else { return .standing }
    return Lease(expiresAt: now + bounds.maxAge - UInt64.random(in: 0...bounds.maxAge / 10, using: &random))
  }

  private static func letter(_ worker: Int?) -> PoolLetter? { worker.map { .permit(to: $0) } }
}
