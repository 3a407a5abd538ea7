import Testing
import Upstream

@testable import UpstreamHealth

@Suite("Health of an endpoint")
struct HealthStateTests {
  private static let refused = CallOutcome.failure(.refused)
  private static let timeout = CallOutcome.failure(.timeout)

  private func state(_ policy: HealthPolicy = HealthPolicy()) -> HealthState { HealthState(policy, seed: 5) }

  /// One that has passed a check at 0.
  private func healthy(_ policy: HealthPolicy = HealthPolicy()) -> HealthState {
    var state = state(policy)
    _ = check(&state, .success, at: 0)
    return state
  }

  /// A check that is due then, and ends at once.
  private func check(_ state: inout HealthState, _ outcome: CallOutcome, at now: UInt64) -> HealthState.Action {
    #expect(state.tick(now: now) == .check, "at \(now)")
    return state.checked(outcome, now: now)
  }

  @Test("Nothing is known of it until the first check, which is due at once")
  func first() {
    var state = state()
    #expect(state.status == .unknown && state.status.isUsable && state.nextTick == 0)
    #expect(check(&state, .success, at: 0) == .becameHealthy)
    #expect(state.status == .healthy)
  }

  @Test("Is checked each ten seconds, give or take a tenth, and by one check at a time")
  func interval() {
    var times: Set<UInt64> = []
    var state = healthy()
    for _ in 0..<100 {
      let now = state.nextTick
      #expect(state.tick(now: now - 1) == .none)
      #expect(state.tick(now: now) == .check && state.tick(now: now) == .none)
      _ = state.checked(.success, now: now)
      times.insert(state.nextTick - now)
    }
    #expect(times.count > 10 && times.allSatisfy { (9000...11_000).contains($0) })
  }

  @Test("Is not down because checks take too long while it answers others, but once it answers nobody")
  func busy() {
    var state = healthy(HealthPolicy(timeout: 500))
    var now = state.nextTick
    for _ in 0..<10 {
      #expect(state.tick(now: now) == .check)
      state.answered(at: now + 300)
      #expect(state.tick(now: now + 500) == .none && state.status == .healthy)
      // It is looked at again soon, to see whether it still does.
      #expect(state.nextTick == now + 1000)
      now = state.nextTick
    }
    #expect(state.tick(now: now) == .check && state.tick(now: now + 500) == .none)
    now = state.nextTick
    #expect(state.tick(now: now) == .check && state.tick(now: now + 500) == .becameUnhealthy)
    // What it has answered before it was asked is no sign of life, nor that others find nobody.
    var other = healthy()
    other.answered(at: other.nextTick)
    #expect(check(&other, Self.timeout, at: other.nextTick) == .none)
    #expect(check(&other, Self.timeout, at: other.nextTick) == .becameUnhealthy)
  }

  @Test("Is down after the second check in a row that fails, and up after the first that passes")
  func thresholds() {
    var state = healthy()
    #expect(check(&state, Self.timeout, at: state.nextTick) == .none && state.status == .healthy)
    #expect(check(&state, .success, at: state.nextTick) == .none)
    #expect(check(&state, Self.timeout, at: state.nextTick) == .none)
    let now = state.nextTick
    #expect(check(&state, Self.timeout, at: now) == .becameUnhealthy)
    #expect(state.status == .unhealthy(since: now, .timeout) && !state.status.isUsable)
    #expect(check(&state, Self.timeout, at: state.nextTick) == .none)
    #expect(check(&state, .success, at: state.nextTick) == .becameHealthy)
  }

  @Test("Waits for as many checks to pass as are wanted")
  func rise() {
    var state = healthy(HealthPolicy(fall: 1, rise: 3))
    #expect(check(&state, Self.timeout, at: state.nextTick) == .becameUnhealthy)
    for outcome in [.success, Self.timeout, .success, .success] {
      #expect(check(&state, outcome, at: state.nextTick) == .none)
    }
    #expect(check(&state, .success, at: state.nextTick) == .becameHealthy)
  }

  @Test("Whatever the server says itself is a sign of life; a 5xx is none")
  func life() {
    for outcome in [CallOutcome(error: -32602), CallOutcome(error: -32603), CallOutcome(status: 401)] {
      var state = state()
      #expect(check(&state, outcome, at: 0) == .becameHealthy)
    }
    var state = state(HealthPolicy(fall: 1))
    #expect(check(&state, CallOutcome(status: 503), at: 0) == .becameUnhealthy)
  }

  @Test("A check that says nothing has failed when its time is over")
  func silentCheck() {
    var state = healthy(HealthPolicy(timeout: 5000, fall: 1))
    let now = state.nextTick
    _ = state.tick(now: now)
    #expect(state.nextTick == now + 5000 && state.tick(now: now + 4999) == .none)
    #expect(state.tick(now: now + 5000) == .becameUnhealthy)
    // What comes late is as good as what a call says.
    #expect(state.checked(.success, now: now + 5100) == .becameHealthy)
  }

  @Test("What is down is looked at more often at first")
  func whileDown() {
    var state = healthy(HealthPolicy(fall: 1))
    _ = check(&state, Self.timeout, at: state.nextTick)
    var pauses: [UInt64] = []
    for _ in 0..<8 {
      let now = state.nextTick
      _ = check(&state, Self.timeout, at: now)
      pauses.append(state.nextTick - now)
    }
    for (pause, usual) in zip(pauses, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000] as [UInt64]) {
      #expect((usual * 9 / 10...usual * 11 / 10).contains(pause))
    }
  }

  // MARK: Restarts

  @Test("A refused connection is taken for a restart, and for a failure when that takes too long")
  func comingBack() {
    var state = healthy()
    let now = state.nextTick
    #expect(check(&state, Self.refused, at: now) == .none)
    #expect(state.status == .comingBack(since: now) && !state.status.isUsable)
    var checks = 0
    while state.nextTick < now + 2000 {
      #expect(check(&state, Self.refused, at: state.nextTick) == .none)
      checks += 1
    }
    #expect((15...25).contains(checks))
    #expect(state.tick(now: now + 2000) == .becameUnhealthy)
    #expect(state.status == .unhealthy(since: now, .refused))
    let next = state.nextTick
    #expect(check(&state, Self.refused, at: next) == .none && state.nextTick < next + 600)
  }

  @Test("What is there again within its grace was never down")
  func cameBack() {
    var state = healthy()
    _ = check(&state, Self.refused, at: state.nextTick)
    #expect(check(&state, .success, at: state.nextTick) == .becameHealthy)
  }

  @Test("Without a grace it is down with the first refusal")
  func noGrace() {
    var state = healthy(HealthPolicy(restartGrace: 0))
    #expect(check(&state, Self.refused, at: state.nextTick) == .becameUnhealthy)
  }

  @Test("A call that is refused begins the grace as a check does")
  func refusedCall() {
    var state = healthy()
    #expect(state.ended(Self.refused, now: 50) == .none && state.status == .comingBack(since: 50))
  }

  // MARK: Calls

  @Test("A call that ends well puts the next check off, and one that ends well brings back what was down")
  func goodCalls() {
    var state = healthy(HealthPolicy(fall: 1))
    #expect(state.ended(.success, now: 5000) == .none && state.nextTick >= 14_000)
    _ = check(&state, Self.timeout, at: state.nextTick)
    #expect(state.ended(CallOutcome(error: -32602), now: state.nextTick - 1) == .becameHealthy)
  }

  @Test("A call that finds nobody makes a check come at once, but not too often")
  func badCalls() {
    var state = healthy()
    #expect(state.ended(Self.timeout, now: 4000) == .none && state.nextTick == 4000)
    _ = check(&state, .success, at: 4000)
    for _ in 0..<10 { _ = state.ended(.failure(.transport), now: 4100) }
    #expect(state.status == .healthy && state.nextTick == 4500)
  }

  @Test("What is neutral says nothing, of a call or of a check")
  func neutral() {
    var state = healthy(HealthPolicy(fall: 1))
    let next = state.nextTick
    #expect(state.ended(.withdrawn, now: 100) == .none && state.nextTick == next && state.status == .healthy)
    #expect(check(&state, .withdrawn, at: next) == .none && state.status == .healthy && state.nextTick > next)
  }

  // MARK: Processes

  @Test("A process that ended comes back, and is down when it does not in time")
  func process() {
    var state = healthy()
    #expect(state.processEnded(now: 100) == .none && state.status == .comingBack(since: 100))
    #expect(state.nextTick == 2100 && state.tick(now: 2100) == .becameUnhealthy && state.nextTick == .max)
    state.processStarted(now: 3000)
    #expect(check(&state, .success, at: 3000) == .becameHealthy)
  }

  @Test("One that is not started any more is down, and is not checked")
  func gaveUp() {
    var state = healthy()
    _ = state.processEnded(now: 100)
    #expect(state.gaveUp(now: 200) == .becameUnhealthy && state.gaveUp(now: 300) == .none)
    #expect(state.nextTick == .max && state.tick(now: 1_000_000) == .none)
  }

  @Test("One that was stopped is neither well nor ill, and is left alone until it is started")
  func stopped() {
    var state = healthy()
    state.stopped()
    #expect(state.status == .stopped && state.status.isUsable && state.nextTick == .max)
    #expect(state.tick(now: 100_000) == .none && state.ended(Self.refused, now: 100_000) == .none)
    state.processStarted(now: 200_000)
    #expect(state.status == .unknown)
    #expect(check(&state, .success, at: 200_000) == .becameHealthy)
  }
}
