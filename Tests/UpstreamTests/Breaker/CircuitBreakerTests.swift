import Testing
import Wire

@testable import Upstream

@Suite("Circuit breakers")
struct CircuitBreakerTests {
  private static let timeout = CallOutcome.failure(.timeout)

  private func pass(_ breaker: CircuitBreaker, at now: UInt64) -> BreakerPass { breaker.admit(now: now).pass ?? .none }

  @Test("Three failures in a row open it, whichever workers they happen on")
  func acrossWorkers() throws {
    let breaker = CircuitBreaker(BreakerPolicy(), seed: 1)
    var tallies = [OutcomeTally](repeating: OutcomeTally(), count: 3)
    for worker in 0..<2 {
      #expect(breaker.ended(pass(breaker, at: 0), Self.timeout, &tallies[worker], now: 0) == .none)
    }
    #expect(breaker.isClosed)
    let time = try #require(breaker.ended(pass(breaker, at: 0), Self.timeout, &tallies[2], now: 0).openTime)
    #expect(!breaker.isClosed && !breaker.mayAdmit(now: time - 1) && breaker.mayAdmit(now: time))
    #expect(breaker.admit(now: time - 1) == .refused(retryAfter: 1))
  }

  @Test("A success on any worker ends the row")
  func successElsewhere() {
    let breaker = CircuitBreaker(BreakerPolicy(failureRate: 0), seed: 1)
    var tallies = [OutcomeTally](repeating: OutcomeTally(), count: 2)
    for _ in 0..<10 {
      for _ in 0..<2 { _ = breaker.ended(pass(breaker, at: 0), Self.timeout, &tallies[0], now: 0) }
      _ = breaker.ended(pass(breaker, at: 0), .success, &tallies[1], now: 0)
    }
    #expect(breaker.isClosed)
  }

  @Test("Calls that went well before the first failure count for the share of those that fail")
  func earlierSuccesses() {
    let breaker = CircuitBreaker(BreakerPolicy(threshold: 0, failureRate: 50, minimumCalls: 20), seed: 1)
    var tally = OutcomeTally()
    for _ in 0..<100 { _ = breaker.ended(pass(breaker, at: 0), .success, &tally, now: 0) }
    for _ in 0..<99 { #expect(breaker.ended(pass(breaker, at: 10), Self.timeout, &tally, now: 10) == .none) }
    #expect(breaker.ended(pass(breaker, at: 10), Self.timeout, &tally, now: 10) != .none)
  }

  @Test("Those of other workers do as soon as one of theirs succeeds again")
  func othersSuccesses() {
    let breaker = CircuitBreaker(BreakerPolicy(threshold: 0, failureRate: 50, minimumCalls: 20), seed: 1)
    var tallies = [OutcomeTally](repeating: OutcomeTally(), count: 2)
    for _ in 0..<100 { _ = breaker.ended(pass(breaker, at: 0), .success, &tallies[1], now: 0) }
    _ = breaker.ended(pass(breaker, at: 10), Self.timeout, &tallies[0], now: 10)
    _ = breaker.ended(pass(breaker, at: 400), .success, &tallies[1], now: 400)
    for _ in 0..<50 { #expect(breaker.ended(pass(breaker, at: 400), Self.timeout, &tallies[0], now: 400) == .none) }
  }

  @Test("What went well long ago does not count")
  func oldSuccesses() {
    let breaker = CircuitBreaker(
      BreakerPolicy(threshold: 0, failureRate: 50, window: 10_000, minimumCalls: 20), seed: 1)
    var tally = OutcomeTally()
    for _ in 0..<1000 { _ = breaker.ended(pass(breaker, at: 0), .success, &tally, now: 0) }
    for _ in 0..<19 { #expect(breaker.ended(pass(breaker, at: 20_000), Self.timeout, &tally, now: 20_000) == .none) }
    #expect(breaker.ended(pass(breaker, at: 20_000), Self.timeout, &tally, now: 20_000) != .none)
  }

  @Test("There is one probe for all workers, and it may be given back unused")
  func oneProbe() {
    let breaker = CircuitBreaker(BreakerPolicy(), seed: 1)
    var tally = OutcomeTally()
    for _ in 0..<3 { _ = breaker.ended(pass(breaker, at: 0), Self.timeout, &tally, now: 0) }
    let probe = pass(breaker, at: 1000)
    #expect(probe.isProbe && breaker.admit(now: 1000) == .refused(retryAfter: 1000) && !breaker.mayAdmit(now: 1000))
    breaker.released(probe, now: 1000)
    #expect(breaker.mayAdmit(now: 1000) && pass(breaker, at: 1000).isProbe)
  }

  @Test("Who waits for a restart learns when to look again, and goes on once a connection is made")
  func restart() {
    let breaker = CircuitBreaker(BreakerPolicy(), seed: 1)
    var tally = OutcomeTally()
    #expect(breaker.ended(pass(breaker, at: 0), .failure(.refused), &tally, now: 0) == .comingBack)
    #expect(breaker.isComingBack && breaker.admit(now: 4) == .comingBack(retryAfter: 6))
    let probe = pass(breaker, at: 10)
    #expect(breaker.admit(now: 11) == .comingBack(retryAfter: 50))
    #expect(breaker.connected(probe, now: 12) == .closed && breaker.isClosed)
  }

  @Test("The word says what the state says")
  func word() {
    #expect(BreakerWord(closedAfter: false, failuresLately: false).isQuiet)
    let failed = BreakerWord(closedAfter: true, failuresLately: true)
    #expect(failed.isClosed && failed.awaitsSuccess && failed.countsCalls)
    for phase in [BreakerWord.Phase.open, .halfOpen, .comingBack] {
      let word = BreakerWord(phase, until: 1 << 50)
      #expect(word.phase == phase && word.until == 1 << 50 && !word.awaitsSuccess && !word.countsCalls)
    }
  }

  // MARK: Any order of things

  /// Workers that call a server which comes and goes, as the seed says.
  private struct Simulation {
    struct Call {
      var pass: BreakerPass
      var ends: UInt64
      var outcome: CallOutcome?
      var worker: Int
      var episode: Int
    }

    static let policy = BreakerPolicy(
      failureRate: 50, window: 1000, openTime: 100, longestOpenTime: 1000, restartGrace: 300, probeLease: 300)
    let breaker: CircuitBreaker
    var random: SplitMix
    var now: UInt64 = 1000
    var tallies = [OutcomeTally](repeating: OutcomeTally(), count: 4)
    var calls: [Call] = []
    var isUp = true
    var openings: UInt32 = 0
    /// How often it has closed: what probed before is a call like others.
    var episode = 0
    var faults: [String] = []

    init(_ seed: UInt64) {
      random = SplitMix(state: seed)
      breaker = CircuitBreaker(Self.policy, seed: seed)
    }

    mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

    var probes: Int { calls.count { $0.pass.isProbe && $0.episode == episode && now < $0.pass.begunAt + 300 } }

    mutating func step() {
      now += random.next() % 40
      if chance(4) { isUp.toggle() }
      end()
      if chance(70) { begin() }
    }

    mutating func begin() {
      let wasClosed = breaker.isClosed
      switch breaker.admit(now: now) {
      case .admitted(let pass):
        if pass.isProbe == wasClosed { faults.append("a call that is \(pass) where it was closed: \(wasClosed)") }
        calls.append(
          Call(
            pass: pass, ends: now + random.next() % 500, outcome: makeOutcome(), worker: Int(random.next() % 4),
            episode: episode))
        if probes > 1 { faults.append("\(probes) probes at once") }
      case .refused(let time) where time == 0 || time > 1000, .comingBack(let time) where time == 0 || time > 50:
        faults.append("come again after \(time)")
      case .refused, .comingBack: if wasClosed { faults.append("refused while closed") }
      }
    }

    /// nil: nobody ever tells.
    mutating func makeOutcome() -> CallOutcome? {
      if chance(5) { return nil }
      if chance(5) { return .withdrawn }
      if isUp { return chance(5) ? .failure(.internalError) : .success }
      return chance(50) ? .failure(.refused) : .failure(.timeout)
    }

    mutating func end() {
      var rest: [Call] = []
      rest.reserveCapacity(calls.count)
      for call in calls {
        guard call.ends <= now else {
          rest.append(call)
          continue
        }
        guard let outcome = call.outcome else { continue }
        if call.pass.isProbe, isUp, chance(30) { note(breaker.connected(call.pass, now: now)) }
        note(breaker.ended(call.pass, outcome, &tallies[call.worker], now: now))
      }
      calls = rest
    }

    mutating func note(_ change: BreakerChange) {
      switch change {
      case .closed:
        openings = 0
        episode += 1
      case .opened(let time):
        openings += 1
        let longest = min(100 << UInt64(min(openings - 1, 10)), 1000)
        if time < longest * 4 / 5 || time > longest { faults.append("open for \(time) the \(openings)th time") }
      case .none, .comingBack: break
      }
    }

    /// The server stays, and answers: whatever came before, it is found out.
    mutating func recover() {
      isUp = true
      calls = []
      let limit = now + 1000 + 300 + 100
      while now < limit, !breaker.isClosed {
        now += 20
        guard let pass = breaker.admit(now: now).pass else { continue }
        note(breaker.ended(pass, .success, &tallies[0], now: now))
      }
      if !breaker.isClosed { faults.append("stuck at \(breaker.phase(now: now))") }
    }
  }

  @Test("Whatever happens there is one probe at most, open times keep their bounds, and what is well is found so")
  func simulation() {
    for seed in 0..<2000 as Range<UInt64> {
      var simulation = Simulation(seed)
      for _ in 0..<120 { simulation.step() }
      simulation.recover()
      #expect(simulation.faults.isEmpty, "seed \(seed)")
      if !simulation.faults.isEmpty { return }
    }
  }
}
