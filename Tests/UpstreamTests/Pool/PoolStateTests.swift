import Testing

@testable import Upstream

@Suite("The pool of one worker")
final class PoolStateTests {
  private typealias Pool = PoolState<Int, String>
  private var permits = PoolStateTests.permits(size: 1, overflow: 1)

  private static func permits(size: Int, overflow: Int = 0) -> Permits {
    var bounds = PoolBounds()
    bounds.size = size
    bounds.overflow = overflow
    return Permits(bounds)
  }

  private func pool(_ worker: Int = 0, _ change: (inout PoolBounds) -> Void = { _ in }) -> Pool {
    var bounds = PoolBounds()
    bounds.size = 1
    bounds.overflow = 1
    change(&bounds)
    return Pool(worker: worker, of: 2, bounds, seed: 7)
  }

  /// The lease of a connection that is begun; nil if none is.
  private func connect(_ pool: inout Pool, _ caller: String, now: UInt64 = 0) -> Lease? {
    if case .connect(let lease, nil) = pool.checkout(caller, now: now, permits) { lease } else { nil }
  }

  private func wait(_ pool: inout Pool, _ caller: String, now: UInt64 = 0) -> PoolPlace? {
    if case .wait(let place, _) = pool.checkout(caller, now: now, permits) { place } else { nil }
  }

  private func fail(_ text: Comment) { Issue.record(text) }

  private func isClosed(_ outcome: Pool.Return) -> Bool { if case .close = outcome { true } else { false } }
  private func isKept(_ outcome: Pool.Return) -> Bool { if case .keep = outcome { true } else { false } }
  private func called(_ outcome: Pool.Return) -> String? { if case .hand(let caller) = outcome { caller } else { nil } }
  private func called(_ step: Pool.Step?) -> String? { if case .connect(let caller, _) = step { caller } else { nil } }

  @Test func aCallerTakesAnIdleConnectionOrOpensOneOrWaits() throws {
    var pool = pool()
    let lease = try #require(connect(&pool, "a"))
    #expect(isKept(pool.released(1, lease, reusable: true, now: 0, permits)))
    guard case .use(1, _, wasUsed: true) = pool.checkout("b", now: 0, permits) else { return fail("it is idle") }
    #expect(connect(&pool, "c") != nil)
    #expect(wait(&pool, "d") != nil)
    #expect(pool.open == 2 && pool.waitingCount == 1)
  }

  @Test func aConnectionThatIsFreeGoesToWhoHasWaitedLongest() throws {
    var pool = pool()
    let lease = try #require(connect(&pool, "a"))
    _ = connect(&pool, "b")
    for caller in ["c", "d"] { _ = wait(&pool, caller) }
    #expect(called(pool.released(1, lease, reusable: true, now: 0, permits)) == "c")
    #expect(called(pool.released(1, lease, reusable: true, now: 0, permits)) == "d")
    #expect(isKept(pool.released(1, lease, reusable: true, now: 0, permits)))
  }

  @Test func aConnectionThatCannotServeAgainIsReplacedForWhoWaits() throws {
    var pool = pool()
    let lease = try #require(connect(&pool, "a"))
    _ = connect(&pool, "b")
    _ = wait(&pool, "c")
    #expect(isClosed(pool.released(1, lease, reusable: false, now: 0, permits)))
    #expect(called(pool.ended(lease, now: 0, permits)) == "c")
    #expect(pool.open == 2)
    #expect(pool.ended(lease, now: 0, permits) == nil)
    #expect(pool.open == 1 && permits.now.held == 1)
  }

  @Test func aFailedConnectionDoesNotStrandThoseWhoWait() throws {
    var pool = pool()
    let lease = try #require(connect(&pool, "a"))
    _ = connect(&pool, "b")
    for caller in ["c", "d", "e"] { _ = wait(&pool, caller) }
    let callers = (0..<4).map { _ in called(pool.ended(lease, now: 0, permits)) }
    #expect(callers == ["c", "d", "e", nil])
    #expect(permits.now.held == 1 && permits.waiting == 0)
  }

  @Test func whoWaitsForTooLongDoesNotAnyMore() throws {
    var pool = pool { $0.checkoutTimeout = 5000 }
    let lease = try #require(connect(&pool, "a"))
    _ = connect(&pool, "b")
    _ = wait(&pool, "c", now: 1000)
    _ = wait(&pool, "d", now: 2000)
    #expect(pool.timedOut(now: 5999, permits) == nil)
    #expect(pool.timedOut(now: 6000, permits) == "c")
    #expect(pool.timedOut(now: 6000, permits) == nil)
    #expect(called(pool.released(1, lease, reusable: true, now: 6000, permits)) == "d")
  }

  @Test func whereNobodyMayWaitNobodyDoes() {
    var pool = pool { $0.checkoutTimeout = 0 }
    for caller in ["a", "b"] { #expect(connect(&pool, caller) != nil) }
    guard case .refuse = pool.checkout("c", now: 0, permits) else { return fail("there is no connection") }
    #expect(pool.waitingCount == 0)
  }

  @Test func utilisationIsToldToOneOfThoseWhoAsk() {
    var pool = pool()
    _ = connect(&pool, "a")
    #expect(permits.takeNews() == nil)
    _ = connect(&pool, "b")
    #expect(permits.takeNews() == .critical)
    #expect(permits.takeNews() == nil)
  }

  @Test func whoIsWithdrawnLeavesTheLine() throws {
    var pool = pool()
    let lease = try #require(connect(&pool, "a"))
    _ = connect(&pool, "b")
    let place = try #require(wait(&pool, "c"))
    #expect(permits.waiting == 1)
    #expect(pool.leave(place, permits) == true)
    #expect(pool.leave(place, permits) == false)
    #expect(permits.waiting == 0)
    #expect(isKept(pool.released(1, lease, reusable: true, now: 0, permits)))
  }

  @Test func oneThatIsTooOldForUseMakesRoomForANewOne() throws {
    var pool = pool { $0.maxAge = 10_000 }
    let lease = try #require(connect(&pool, "a", now: 1000))
    #expect(isKept(pool.released(1, lease, reusable: true, now: 5000, permits)))
    guard case .connect(let fresh, closing: 1) = pool.checkout("b", now: 12_000, permits) else {
      return fail("it is too old")
    }
    #expect(pool.open == 1 && permits.now.held == 1)
    #expect(isClosed(pool.released(2, fresh, reusable: true, now: 22_000, permits)))
  }

  @Test func thoseThatAreBegunTogetherDoNotEndTogether() {
    permits = Self.permits(size: 20)
    var pool = pool { $0.maxAge = 100_000 }
    let ends = (0..<20).compactMap { connect(&pool, "\($0)", now: 0)?.expiresAt }
    #expect(ends.count == 20 && Set(ends).count > 10)
    #expect(ends.allSatisfy { (90_000...100_000).contains($0) })
  }

  @Test func whatMustNotWaitGoesBeyondThePool() {
    var pool = pool()
    let leases = (0..<3).map { _ in pool.checkoutAside(now: 0, permits).0 }
    #expect(leases.map(\.isPooled) == [true, true, false])
    #expect(pool.open == 2)
    #expect(isClosed(pool.released(3, leases[2], reusable: true, now: 0, permits)))
    #expect(pool.ended(leases[2], now: 0, permits) == nil)
    #expect(pool.open == 2 && permits.now.held == 2)
  }

  @Test func anIdleConnectionIsGivenUpForAnotherWorkersCaller() throws {
    var (one, other) = (pool(0), pool(1))
    let leases = try (0..<2).map { try #require(connect(&one, "\($0)")) }
    for (connection, lease) in leases.enumerated() {
      #expect(isKept(one.released(connection, lease, reusable: true, now: 0, permits)))
    }
    guard case .wait(_, .giveUpIdle(to: 0, asked: 0b10)) = other.checkout("x", now: 0, permits),
      case .close(0, let lease) = one.askedToGiveUp(asked: 0b10, permits),
      case .send(.permit(to: 1)) = one.ended(lease, now: 0, permits)
    else { return fail("it is asked for, closed, and its permit passed on") }
    #expect(one.askedToGiveUp(asked: 0b10, permits) == nil, "nobody waits any more")
    let steps = other.permitCame(now: 0, permits)
    #expect(steps.count == 1 && called(steps.first) == "x")
    #expect(one.open == 1 && other.open == 1)
  }

  @Test func whoDoesNotWaitHasAnIdleConnectionElsewhereGivenUpForTheNext() throws {
    var (one, other) = (pool(0), pool(1) { $0.checkoutTimeout = 0 })
    let leases = try (0..<2).map { try #require(connect(&one, "\($0)")) }
    for (connection, lease) in leases.enumerated() {
      #expect(isKept(one.released(connection, lease, reusable: true, now: 0, permits)))
    }
    guard case .refuse(.giveUpIdle(to: 0, asked: 0b10)?) = other.checkout("x", now: 0, permits),
      case .close(0, let lease) = one.askedToGiveUp(asked: 0b10, permits),
      case .send(.permit(to: 1)) = one.ended(lease, now: 0, permits)
    else { return fail("it is asked for, closed, and its permit passed on") }
    #expect(other.permitCame(now: 0, permits).isEmpty)
    #expect(permits.now.held == 1 && permits.now.signs.waiting == 0)
    #expect(connect(&other, "y") != nil)
  }

  @Test func whoHasNoIdleConnectionHasTheNextAsked() {
    permits = Self.permits(size: 2)
    var (one, other) = (pool(0), pool(1))
    _ = connect(&one, "a")
    #expect(permits.change { $0.acquireAside(2) })
    _ = wait(&other, "x")
    guard case .send(.giveUpIdle(to: 2, asked: 0b011)) = one.askedToGiveUp(asked: 0b10, permits) else {
      return fail("the control loop holds one")
    }
  }

  @Test func aReleasedConnectionThatNobodyHereNeedsIsClosedForAnotherWorker() throws {
    var (one, other) = (pool(0), pool(1))
    let lease = try #require(connect(&one, "a"))
    _ = connect(&one, "b")
    _ = wait(&other, "x")
    guard case .pass(.permit(to: 1)) = one.released(1, lease, reusable: true, now: 0, permits) else {
      return fail("somebody waits")
    }
    #expect(one.open == 1)
  }

  @Test func aPermitThatComesTooLateIsGivenBack() throws {
    var (one, other) = (pool(0), pool(1))
    let lease = try #require(connect(&one, "a"))
    _ = connect(&one, "b")
    let place = try #require(wait(&other, "x"))
    _ = one.released(1, lease, reusable: true, now: 0, permits)
    // Its permit is on its way by now.
    #expect(other.leave(place, permits) == true)
    #expect(other.permitCame(now: 0, permits).isEmpty)
    #expect(other.open == 0 && permits.now.held == 1)
  }

  @Test func aTicketIsThatOfTheFirstWhoStillWaits() throws {
    var (one, other) = (pool(0), pool(1))
    for caller in ["a", "b"] { _ = connect(&one, caller) }
    let place = try #require(wait(&other, "x", now: 1))
    _ = wait(&other, "y", now: 9)
    #expect(other.leave(place, permits) == true)
    #expect(permits.change { $0.pass(0, first: 5, next: nil) } == .keep)
    #expect(permits.change { $0.pass(0, first: 10, next: nil) } == .drop(to: 1))
  }

  @Test func nothingIsOpenedAheadOfThoseWhoWait() {
    permits = Self.permits(size: 2)
    var (one, other) = (pool(0), pool(1) { $0.minIdle = 2 })
    let leases = ["a", "b"].compactMap { connect(&one, $0) }
    _ = wait(&other, "x")
    for lease in leases { _ = one.ended(lease, now: 0, permits) }
    #expect(permits.now.held == 1, "one is on its way, and one is free")
    #expect(other.openAhead(now: 0, permits) == nil)
    #expect(other.permitCame(now: 0, permits).count == 1)
    #expect(other.openAhead(now: 0, permits) != nil)
  }

  @Test func thoseBeyondSizeCloseSoonAfterTheyCameBack() throws {
    var pool = pool()
    let leases = try (0..<2).map { try #require(connect(&pool, "\($0)", now: 1000)) }
    for (connection, lease) in leases.enumerated() {
      #expect(isKept(pool.released(connection, lease, reusable: true, now: 1000, permits)))
    }
    #expect(pool.isPressed(permits))
    #expect(pool.expire(now: 1050, permits).isEmpty)
    let closed = pool.expire(now: 1150, permits)
    #expect(closed.map(\.0) == [0])
    for (_, lease) in closed { #expect(pool.ended(lease, now: 1150, permits) == nil) }
    #expect(!pool.isPressed(permits) && pool.idleCount == 1)
    #expect(pool.expire(now: 1300, permits).isEmpty)
  }

  @Test func aFewAreHeldReadySpreadOverTheWorkers() {
    permits = Self.permits(size: 10)
    var opened: [Int] = []
    for worker in 0..<3 {
      var pool = pool(worker) { $0.minIdle = 3 }
      while let lease = pool.openAhead(now: 0, permits) { pool.opened(pool.open, lease, now: 0) }
      opened.append(pool.idleCount)
    }
    #expect(opened == [2, 1, 0])
  }

  @Test func oneThatCannotBeOpenedAheadIsNotTriedAgainAtOnce() throws {
    var pool = pool { $0.minIdle = 2 }
    let opened = pool.openAhead(now: 0, permits)
    let lease = try #require(opened)
    pool.opened(1, lease, now: 0)
    var used = pool
    guard case .use(1, _, wasUsed: false) = used.checkout("a", now: 0, permits) else { return fail("it is there") }
    pool.idleEnded(1, wasOpen: false, now: 10)
    #expect(pool.ended(lease, now: 10, permits) == nil)
    #expect(pool.openAhead(now: 10, permits) == nil)
    #expect(pool.openAhead(now: 600, permits) != nil)
  }

  @Test func whatIsIdleForLongClosesButForThoseHeldReady() throws {
    permits = Self.permits(size: 10)
    var pool = pool {
      $0.minIdle = 4
      $0.idleTimeout = 1000
    }
    let leases = try (0..<3).map { try #require(connect(&pool, "\($0)")) }
    for (connection, lease) in leases.enumerated() {
      _ = pool.released(connection, lease, reusable: true, now: 0, permits)
    }
    #expect(pool.expire(now: 999, permits).isEmpty)
    #expect(pool.expire(now: 1000, permits).map(\.0) == [0])
  }
}
