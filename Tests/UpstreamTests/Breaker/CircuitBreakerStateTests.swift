import Testing

@testable import Upstream

@Suite("The state of a circuit breaker")
struct CircuitBreakerStateTests {
  private static let transport = CallOutcome.failure(.transport)
  private static let timeout = CallOutcome.failure(.timeout)
  private static let refused = CallOutcome.failure(.refused)

  private func breaker(_ policy: BreakerPolicy = BreakerPolicy(failureRate: 0)) -> CircuitBreakerState {
    CircuitBreakerState(policy, seed: 7)
  }

  /// Failures in a row of calls that begin and end at that time.
  private func fail(
    _ state: inout CircuitBreakerState, _ times: Int = 1, _ outcome: CallOutcome = timeout, at now: UInt64
  ) -> BreakerChange {
    var change = BreakerChange.none
    for _ in 0..<times {
      guard let pass = state.admit(now: now).pass else { break }
      change = state.ended(pass, outcome, now: now)
    }
    return change
  }

  private func opened(_ state: inout CircuitBreakerState, at now: UInt64) -> UInt64 {
    now + (fail(&state, 3, at: now).openTime ?? 0)
  }

  // MARK: Opening

  @Test("Opens on the third failure in a row, and says when to come again")
  func threshold() throws {
    var state = breaker()
    #expect(fail(&state, 2, at: 100) == .none && state.phase == .closed)
    let time = try #require(fail(&state, at: 100).openTime)
    #expect((800...1000).contains(time))
    #expect(state.admit(now: 150) == .refused(retryAfter: time - 50))
  }

  @Test("Calls that are lost while a process dies are one failure in the row, what began after that is another")
  func lostTogether() {
    var state = breaker()
    for now in 100..<110 as Range<UInt64> { #expect(fail(&state, 1, Self.transport, at: now) == .none) }
    #expect(state.phase == .closed && state.streak == 1)
    #expect(fail(&state, 1, Self.transport, at: 200) == .none && state.streak == 2)
    #expect(fail(&state, 1, Self.transport, at: 300) != .none)
  }

  @Test("Calls that time out together are as many failures")
  func timedOutTogether() {
    var state = breaker()
    let pass = BreakerPass(begunAt: 90, probe: 0)
    for _ in 0..<2 { #expect(state.ended(pass, .failure(.timeout), now: 100) == .none) }
    #expect(state.ended(pass, .failure(.timeout), now: 100) != .none)
  }

  @Test("What failed longer ago than the window is forgotten, and nothing else is")
  func failuresOfLongAgo() {
    var state = breaker(BreakerPolicy(threshold: 0, failureRate: 50, window: 10_000, minimumCalls: 20))
    #expect(fail(&state, 10, at: 500) == .none && fail(&state, 9, at: 9500) == .none)
    #expect(fail(&state, 10, at: 10_500) == .none && state.phase == .closed)
    #expect(fail(&state, at: 10_500) != .none)
  }

  @Test("A success in between ends the row")
  func success() {
    var state = breaker()
    for _ in 0..<5 {
      #expect(fail(&state, 2, at: 0) == .none)
      #expect(state.ended(.none, .success, now: 0) == .none && state.streak == 0)
    }
    #expect(state.phase == .closed)
  }

  @Test("What is neutral neither counts nor ends the row")
  func neutral() {
    var state = breaker()
    _ = fail(&state, 2, at: 0)
    for outcome in [CallOutcome.withdrawn, .neutral(answered: true)] { _ = state.ended(.none, outcome, now: 0) }
    #expect(state.streak == 2)
    #expect(fail(&state, at: 0) != .none)
  }

  @Test("A threshold of 0 is none")
  func noThreshold() {
    var state = breaker(BreakerPolicy(threshold: 0, failureRate: 0))
    #expect(fail(&state, 100, at: 0) == .none)
  }

  @Test("Opens when half of the calls within the window fail, if those are enough")
  func rate() {
    var state = breaker(BreakerPolicy(threshold: 0, failureRate: 50, minimumCalls: 20))
    #expect(fail(&state, 9, at: 0) == .none)
    _ = state.ended(.none, .success, successes: 10, now: 0)
    #expect(state.phase == .closed)
    #expect(fail(&state, at: 500) != .none)
  }

  @Test("What lies before the window does not count")
  func forgotten() {
    var state = breaker(BreakerPolicy(threshold: 0, failureRate: 50, window: 10_000, minimumCalls: 20))
    #expect(fail(&state, 19, at: 0) == .none)
    #expect(fail(&state, 19, at: 10_000) == .none)
    #expect(fail(&state, at: 10_999) != .none)
  }

  @Test("A share below the limit does not open it")
  func lowRate() {
    var state = breaker(BreakerPolicy(threshold: 0, failureRate: 50, minimumCalls: 20))
    for turn in 0..<100 as Range<UInt64> {
      _ = state.ended(.none, .success, successes: 6, now: turn * 100)
      #expect(fail(&state, 4, at: turn * 100) == .none)
    }
  }

  @Test("Failures that the server tells of one tool alone do not open it; of two, or with others, they do")
  func oneTool() {
    func failing(_ tools: [UInt64], _ outcome: CallOutcome = .failure(.internalError)) -> BreakerChange {
      var state = breaker()
      var change = BreakerChange.none
      for tool in tools { change = state.ended(.none, outcome, tool: tool, now: 0) }
      return change
    }
    #expect(failing([1, 1, 1, 1, 1]) == .none)
    #expect(failing([1, 1, 2]) != .none && failing([0, 0, 0]) != .none)
    #expect(failing([1, 1, 1], .failure(.timeout)) == .none && failing([1, 2, 1], .failure(.timeout)) != .none)
    #expect(failing([1, 1, 1], .failure(.serverError)) != .none)
  }

  // MARK: Probing

  @Test("After the open time one call probes, and the others wait for it")
  func probe() {
    var state = breaker()
    let until = opened(&state, at: 0)
    #expect(state.admit(now: until - 1) == .refused(retryAfter: 1))
    #expect(state.admit(now: until).pass?.isProbe == true)
    #expect(state.admit(now: until) == .refused(retryAfter: 1000))
    #expect(state.phase == .halfOpen)
  }

  @Test("A probe that succeeds closes it, and all is forgotten")
  func probeSucceeds() throws {
    var state = breaker()
    let until = opened(&state, at: 0)
    let pass = try #require(state.admit(now: until).pass)
    #expect(state.ended(pass, .success, now: until + 9) == .closed)
    #expect(state.admit(now: until + 9).pass?.isProbe == false && state.streak == 0)
    #expect(fail(&state, 2, at: until + 9) == .none)
  }

  @Test("A probe that fails opens it for twice as long, up to the longest")
  func doubling() throws {
    var state = breaker(BreakerPolicy(failureRate: 0, openTime: 1000, longestOpenTime: 10_000))
    var until = opened(&state, at: 0)
    for longest in [2000, 4000, 8000, 10_000, 10_000] as [UInt64] {
      let time = try #require(fail(&state, at: until).openTime)
      #expect((longest * 4 / 5...longest).contains(time))
      until += time
    }
    let pass = try #require(state.admit(now: until).pass)
    _ = state.ended(pass, .success, now: until)
    #expect(opened(&state, at: until) <= until + 1000)
  }

  @Test("A probe that is cancelled gives its place back")
  func probeCancelled() throws {
    var state = breaker()
    let until = opened(&state, at: 0)
    for outcome in [CallOutcome.withdrawn, .neutral(answered: true)] {
      let pass = try #require(state.admit(now: until).pass)
      #expect(state.ended(pass, outcome, now: until) == .none && state.phase == .halfOpen)
    }
    #expect(state.admit(now: until).pass?.isProbe == true)
  }

  @Test("A probe that is slow keeps others out for a second, the next for longer")
  func slowProbes() throws {
    var state = breaker(BreakerPolicy(failureRate: 0, probeLease: 3000))
    let until = opened(&state, at: 0)
    for (begin, end) in [(0, 1000), (1000, 3000), (3000, 6000), (6000, 9000)] as [(UInt64, UInt64)] {
      #expect(state.admit(now: until + begin).pass?.isProbe == true)
      #expect(state.admit(now: until + end - 1) == .refused(retryAfter: 1))
    }
    let pass = try #require(state.admit(now: until + 9000).pass)
    let again = try #require(state.ended(pass, Self.transport, now: until + 9001).openTime)
    #expect(state.admit(now: until + 9001 + again).pass?.isProbe == true)
    #expect(state.admit(now: until + 9001 + again + 1000).pass?.isProbe == true)
  }

  @Test("A probe of which nothing is heard gives its place to another when its lease is over")
  func lease() throws {
    var state = breaker(BreakerPolicy(failureRate: 0, probeLease: 10_000))
    let until = opened(&state, at: 0)
    let lost = try #require(state.admit(now: until).pass)
    #expect(state.admit(now: until + 999) == .refused(retryAfter: 1))
    #expect(state.admit(now: until + 1000).pass?.isProbe == true)
    // Its failure is no news any more; its success is.
    #expect(state.ended(lost, Self.transport, now: until + 1001) == .none && state.phase == .halfOpen)
    #expect(state.ended(lost, .success, now: until + 1002) == .closed)
  }

  @Test("What began before it opened, or before it closed again, says nothing")
  func late() throws {
    var state = breaker()
    let until = opened(&state, at: 1000)
    let before = BreakerPass(begunAt: 900, probe: 0)
    #expect(state.ended(before, .success, now: 1100) == .none && state.phase == .open(until: until))
    #expect(state.ended(before, Self.transport, now: 1100) == .none)
    let probe = try #require(state.admit(now: until).pass)
    _ = state.ended(probe, .success, now: until + 10)
    for _ in 0..<5 { #expect(state.ended(before, Self.transport, now: until + 20) == .none) }
    #expect(state.phase == .closed)
  }

  @Test("A check that passes lets the next call probe at once")
  func encouraged() {
    var state = breaker()
    _ = opened(&state, at: 0)
    state.encouraged()
    #expect(state.admit(now: 1).pass?.isProbe == true)
    #expect(state.admit(now: 1).pass == nil)
  }

  @Test("An operator closes it")
  func reset() {
    var state = breaker()
    #expect(state.reset(now: 0) == .none)
    _ = opened(&state, at: 0)
    #expect(state.reset(now: 1) == .closed && state.admit(now: 1).pass?.isProbe == false)
  }

  // MARK: Restarts

  @Test("A refused connection is taken for a restart: probes go after 10, 20, 40 and then each 50 ms")
  func comingBack() throws {
    var state = breaker()
    #expect(fail(&state, 1, Self.refused, at: 100) == .comingBack)
    var now: UInt64 = 100
    for pause in [10, 20, 40, 50, 50, 50] as [UInt64] {
      #expect(state.admit(now: now) == .comingBack(retryAfter: pause))
      now += pause
      let pass = try #require(state.admit(now: now).pass)
      #expect(pass.isProbe && state.admit(now: now).pass == nil)
      #expect(state.ended(pass, Self.refused, now: now) == .none)
    }
    #expect(state.phase == .comingBack(since: 100))
  }

  @Test("The connection of a probe is enough for what restarts to be there")
  func connected() throws {
    var state = breaker()
    _ = fail(&state, 1, Self.refused, at: 0)
    let pass = try #require(state.admit(now: 10).pass)
    #expect(state.connected(pass, now: 12) == .closed)
    #expect(state.admit(now: 12).pass?.isProbe == false)
    // How that call ends is one call's end.
    #expect(state.ended(pass, .failure(.timeout), now: 60_000) == .none && state.streak == 0)
  }

  @Test("A connection shows nothing where it was not refused before")
  func connectedElsewhere() throws {
    var state = breaker()
    let until = opened(&state, at: 0)
    let pass = try #require(state.admit(now: until).pass)
    #expect(state.connected(pass, now: until) == .none && state.phase == .halfOpen)
  }

  @Test("A server that answers anything at all has come back")
  func answered() throws {
    var state = breaker()
    _ = fail(&state, 1, Self.refused, at: 0)
    let pass = try #require(state.admit(now: 10).pass)
    #expect(state.ended(pass, .neutral(answered: true), now: 12) == .closed)
  }

  @Test("What is not back within its grace opens it with the next refusal")
  func graceIsOver() throws {
    var state = breaker(BreakerPolicy(failureRate: 0, restartGrace: 2000))
    _ = fail(&state, 1, Self.refused, at: 0)
    #expect(fail(&state, 1, Self.refused, at: 1999) == .none)
    let time = try #require(fail(&state, 1, Self.refused, at: 2000).openTime)
    #expect(time <= 1000)
    // There is one grace: the probe of an open breaker that is refused opens it again.
    let second = try #require(fail(&state, 1, Self.refused, at: 2000 + time).openTime)
    #expect((1600...2000).contains(second))
  }

  @Test("A probe that hangs beyond the grace makes nobody wait any longer")
  func hangingProbe() {
    var state = breaker(BreakerPolicy(failureRate: 0, restartGrace: 2000))
    _ = fail(&state, 1, Self.refused, at: 0)
    _ = state.admit(now: 10)
    #expect(state.admit(now: 1990) == .comingBack(retryAfter: 10))
    #expect(state.admit(now: 2000) == .refused(retryAfter: 10))
    #expect(state.admit(now: 2010).pass?.isProbe == true)
  }

  @Test("A connection that breaks while it starts is one more sign of that; a silent server is none")
  func otherFailuresOfProbes() {
    var state = breaker()
    _ = fail(&state, 1, Self.refused, at: 0)
    #expect(fail(&state, 1, Self.transport, at: 10) == .none && state.phase == .comingBack(since: 0))
    #expect(fail(&state, 1, .failure(.timeout), at: 30) != .none)
  }

  @Test("Without a grace a refusal is a failure like others")
  func noGrace() {
    var state = breaker(BreakerPolicy(failureRate: 0, restartGrace: 0))
    #expect(fail(&state, 2, Self.refused, at: 0) == .none && state.phase == .closed)
    #expect(fail(&state, 1, Self.refused, at: 0) != .none)
  }
}

extension BreakerChange {
  /// For how many milliseconds it has opened.
  var openTime: UInt64? { if case .opened(let time) = self { time } else { nil } }
}
