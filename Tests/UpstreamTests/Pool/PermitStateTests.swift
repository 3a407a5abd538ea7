import Testing

@testable import Upstream

@Suite("Permits")
struct PermitStateTests {
  private func state(_ size: Int, _ overflow: Int = 0) -> PermitState { PermitState(size: size, overflow: overflow) }

  /// Each of these workers takes one.
  private func take(_ state: inout PermitState, _ workers: [Int]) {
    for worker in workers { #expect(state.acquireAside(worker) == true) }
  }

  @Test func thereAreAsManyAsSizeAndOverflow() {
    var state = state(1, 1)
    #expect(state.acquire(0, since: 1) == .granted(isOverflow: false))
    #expect(state.acquire(1, since: 2) == .granted(isOverflow: true))
    #expect(state.acquire(2, since: 3) == .wait(ask: 0))
    #expect(state.acquireAside(3) == false)
    #expect(state.held == 2 && state.excess == 1)
  }

  @Test func oneThatIsGivenBackGoesToWhoHasWaitedLongest() {
    var state = state(2)
    take(&state, [0, 0])
    _ = state.acquire(1, since: 7)
    _ = state.acquire(2, since: 5)
    #expect(state.release(0) == 2)
    #expect(state.held(by: 2) == 1 && state.held == 2)
    #expect(state.release(0) == 1)
    #expect(state.release(1) == nil)
    #expect(state.held == 1)
  }

  @Test func whoDoesNotWaitAnyMoreGetsNone() {
    var state = state(1)
    take(&state, [0])
    _ = state.acquire(1, since: 5)
    state.renew(1, nil)
    #expect(state.release(0) == nil)
    #expect(state.held == 0)
  }

  @Test func whoHasLessThanItsShareGetsWhatOthersHaveCallersFor() {
    var state = state(4)
    take(&state, [0, 0, 0, 0])
    _ = state.acquire(0, since: 6)
    _ = state.acquire(1, since: 5)
    #expect(state.signs == .init(waiting: 0b11, entitled: 0b10))
    #expect(state.pass(0, first: 6, next: nil) == .drop(to: 1))
    _ = state.acquire(1, since: 8)
    #expect(state.pass(0, first: 9, next: nil) == .drop(to: 1))
    // Now each has two, which is its share.
    _ = state.acquire(1, since: 8)
    #expect(state.signs == .init(waiting: 0b11, entitled: 0))
    #expect(state.pass(0, first: 9, next: nil) == .keep)
  }

  @Test func aCallerWhoCameFirstIsServedFirst() {
    var state = state(1)
    take(&state, [0])
    _ = state.acquire(1, since: 5)
    _ = state.acquire(0, since: 4)
    #expect(state.pass(0, first: 4, next: 5) == .keep)
    #expect(state.pass(0, first: 5, next: 6) == .keep, "at the same time is not before")
    #expect(state.pass(0, first: 6, next: nil) == .drop(to: 1))
  }

  @Test func withFewerPermitsThanWorkersEachIsEntitledToOne() {
    var state = state(1)
    take(&state, [0])
    _ = state.acquire(1, since: 1)
    _ = state.acquire(2, since: 2)
    #expect(state.pass(0, first: 3, next: nil) == .drop(to: 1))
    #expect(state.pass(1, first: 4, next: nil) == .drop(to: 2))
  }

  @Test func oneThatServesItsOwnCallersHasTheTicketOfTheNext() {
    var state = state(2)
    take(&state, [0, 0])
    _ = state.acquire(1, since: 3)
    _ = state.acquire(0, since: 2)
    #expect(state.pass(0, first: 2, next: 9) == .keep)
    _ = state.acquire(2, since: 8)
    #expect(state.release(0) == 1)
    #expect(state.release(0) == 2)
  }

  @Test func whatNobodyOfAWorkersOwnNeedsGoesToWhoeverWaits() {
    var state = state(2)
    take(&state, [0, 1])
    #expect(state.yield(0) == .keep)
    _ = state.acquire(1, since: 5)
    #expect(state.signs == .init(waiting: 0b10, entitled: 0), "it has its share, and gets one all the same")
    #expect(state.yield(0) == .drop(to: 1))
    #expect(state.held == 2 && state.held(by: 1) == 2)
  }

  @Test func whoHoldsMostIsAskedFirstAndNobodyTwice() {
    var state = state(6)
    take(&state, [0, 1, 1, 1, 2, 2])
    #expect(state.acquire(3, since: 1) == .wait(ask: 1))
    #expect(state.nextToAsk(asked: 0b1010) == 2)
    #expect(state.nextToAsk(asked: 0b1110) == 0)
    #expect(state.nextToAsk(asked: 0b1111) == nil)
  }

  @Test func whoWasGrantedOneDoesNotWaitForAnother() {
    var state = state(2)
    take(&state, [0, 0])
    _ = state.acquire(1, since: 1)
    #expect(state.pass(0, first: 2, next: nil) == .drop(to: 1))
    #expect(state.signs == .init())
    #expect(state.release(0) == nil)
  }

  @Test func whoIsEntitledGetsOneBeforeThoseWhoHaveTheirShare() {
    var state = state(4)
    take(&state, [0, 0, 1, 1])
    _ = state.acquire(0, since: 1)
    _ = state.acquire(2, since: 9)
    #expect(state.release(1) == 2)
  }

  @Test func oneThatGaveAConnectionAwayWaitsSinceItsFirstCallerCame() {
    var state = state(6)
    take(&state, [0, 0, 1, 1, 2, 2])
    _ = state.acquire(0, since: 1)
    #expect(state.pass(0, first: 1, next: 8) == .keep)
    _ = state.release(2)
    _ = state.acquire(0, since: 8)
    _ = state.acquire(2, since: 7)
    #expect(state.pass(0, first: 9, next: nil) == .drop(to: 2))
    _ = state.acquire(1, since: 8)
    #expect(state.release(2) == 1)
  }

  @Test func thoseBeyondThePoolsSizeAreNotOpenedAhead() {
    var state = state(1, 1)
    #expect(state.acquireAhead(0) == true)
    #expect(state.acquireAhead(0) == false)
    #expect(state.acquireAside(0) == true)
  }

  @Test func utilisationIsToldOnceForEachLevel() {
    var state = state(8, 2)
    take(&state, Array(repeating: 0, count: 7))
    #expect(state.takeNews() == nil && state.level == .normal)
    take(&state, [0])
    #expect(state.takeNews() == .warning)
    #expect(state.takeNews() == nil)
    take(&state, [1, 1])
    #expect(state.takeNews() == .critical)
    _ = state.release(1)
    #expect(state.takeNews() == nil && state.level == .critical)
    _ = state.release(1)
    #expect(state.takeNews() == .warning)
  }

  @Test func thoseThatAreIdleAreNotInUse() {
    var state = state(10)
    take(&state, Array(repeating: 0, count: 6) + [1, 1])
    #expect(state.takeNews() == .warning)
    state.note(idle: 2, of: 0)
    #expect(state.takeNews() == .normal && state.level == .normal)
    // Who asks for one more has none that is idle.
    _ = state.acquire(0, since: 1)
    #expect(state.takeNews() == .warning)
    state.note(idle: 7, of: 0)
    _ = state.release(0)
    #expect(state.level == .normal && state.held == 8)
  }
}

@Suite("Utilisation of a pool")
struct UtilisationTests {
  @Test func whatGoesUpAndDownAroundAMarkIsToldOnce() {
    var state = UtilisationState()
    var told: [Utilisation] = []
    for inUse in [70, 71, 70, 61, 71, 60, 71, 90, 91, 90, 81, 91, 80, 100, 0] {
      if let level = state.changed(inUse: inUse, of: 100) { told.append(level) }
    }
    #expect(told == [.warning, .normal, .warning, .critical, .warning, .critical, .normal])
  }
}
