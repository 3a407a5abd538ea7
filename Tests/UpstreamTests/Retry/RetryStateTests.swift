import Testing
import Wire

@testable import Upstream

@Suite("Repeated requests")
struct RetryStateTests {
  private let policy = RetryPolicy(attempts: 3, backoff: 25, longestBackoff: 1000)
  private static let effects = CallOutcome.Failure.allCases.map(FailedAttempt.failed)
  private static let two: UInt64 = 0b11

  /// What becomes of a first attempt at endpoint 0 that failed.
  private func first(
    _ attempt: FailedAttempt, repeatable: Bool = false, usable: UInt64 = two, earliest: UInt64 = 0,
    deadline: UInt64 = 60_000
  ) -> RetryState.Action {
    var state = RetryState(isRepeatable: repeatable)
    var budget = RetryBudget(share: 20, seed: 3)
    state.began(at: 0)
    return state.failed(
      attempt, usable: usable, earliest: earliest, deadline: deadline, policy, &budget, now: 1000)
  }

  private func pause(_ action: RetryState.Action) -> UInt64? {
    if case .again(let pause) = action { pause } else { nil }
  }

  @Test("What nobody has acted on goes out again, whatever it is")
  func untouched() {
    for attempt in [FailedAttempt.unsent, .untouched, .lostOnUsedConnection(after: 0)] {
      #expect(first(attempt) == .again(after: 0), "\(attempt)")
    }
  }

  @Test("What may have had its effect goes out again only where that does no harm")
  func effects() {
    for attempt in Self.effects {
      #expect(pause(first(attempt)) == nil, "\(attempt)")
      #expect(first(attempt, repeatable: true) == .again(after: 0) || attempt == .failed(.toolError), "\(attempt)")
    }
  }

  @Test("A used connection that breaks at once had ended; one that breaks later may have taken the request with it")
  func keepAliveRace() {
    #expect(first(.lostOnUsedConnection(after: 250), usable: 1) == .again(after: 0))
    #expect(first(.lostOnUsedConnection(after: 251)) == .giveUp(.mayHaveActed))
    #expect(first(.lostOnUsedConnection(after: 251), repeatable: true) == .again(after: 0))
  }

  @Test("What the server itself has answered is asked only of another; what a tool says is passed on")
  func answers() {
    #expect(first(.failed(.internalError), repeatable: true, usable: 1) == .giveUp(.pointless))
    #expect(first(.failed(.toolError), repeatable: true) == .giveUp(.pointless))
  }

  @Test("The first attempt elsewhere is made at once; the same endpoint gets a pause, as later attempts do")
  func pauses() {
    var pauses: Set<UInt64> = []
    var budget = RetryBudget(share: 20, seed: 9)
    for now in 0..<50 as Range<UInt64> {
      var state = RetryState(isRepeatable: true)
      state.began(at: 0)
      let action = state.failed(
        .failed(.transport), usable: 1, deadline: .max, policy, &budget, now: now * 1000)
      pauses.insert(pause(action) ?? .max)
    }
    #expect(pauses.count > 10 && pauses.allSatisfy { $0 <= 25 })
  }

  @Test("Each attempt goes to an endpoint that has not failed yet, as long as there is one")
  func elsewhere() {
    var state = RetryState(isRepeatable: true)
    var budget = RetryBudget(share: 20, seed: 3)
    let policy = RetryPolicy(attempts: 9)
    for endpoint in [5, 2] {
      state.began(at: endpoint)
      _ = state.failed(.unsent, usable: 0b110100, deadline: .max, policy, &budget, now: 0)
      #expect(state.excludes(endpoint) && !state.excludes(4))
    }
    state.began(at: 4)
    #expect(pause(state.failed(.unsent, usable: 0b110100, deadline: .max, policy, &budget, now: 0)) != nil)
    #expect(state.excluded == 0)
  }

  @Test("An endpoint that says when it wants to be asked again is not asked before")
  func earliest() {
    #expect((500...525).contains(pause(first(.unsent, usable: 1, earliest: 1500)) ?? 0))
    #expect(first(.unsent, usable: Self.two, earliest: 1500) == .again(after: 0))
  }

  @Test("There are three attempts")
  func attempts() {
    var state = RetryState(isRepeatable: true)
    var budget = RetryBudget(share: 20, seed: 3)
    for _ in 0..<2 {
      state.began(at: 0)
      #expect(pause(state.failed(.unsent, usable: 1, deadline: .max, policy, &budget, now: 0)) != nil)
    }
    state.began(at: 0)
    #expect(state.failed(.unsent, usable: 1, deadline: .max, policy, &budget, now: 0) == .giveUp(.attempts))
    #expect(state.attempts == 3)
  }

  @Test("All of them are made within the call's time")
  func deadline() {
    #expect(first(.unsent, deadline: 1000) == .giveUp(.time))
    #expect(first(.unsent, deadline: 1001) == .again(after: 0))
    #expect(first(.unsent, usable: 1, earliest: 3000, deadline: 3000) == .giveUp(.time))
  }

  @Test("Once the client has a byte of an answer nothing is repeated")
  func passed() {
    var state = RetryState(isRepeatable: true)
    var budget = RetryBudget(share: 20, seed: 3)
    state.began(at: 0)
    state.passed()
    for attempt in Self.effects + [.unsent, .untouched, .lostOnUsedConnection(after: 0)] {
      let action = state.failed(attempt, usable: 3, deadline: .max, policy, &budget, now: 0)
      #expect(action == .giveUp(.answerBegan), "\(attempt)")
    }
  }

  @Test("It is as small as what it lives in wants it")
  func size() {
    #expect(MemoryLayout<RetryState>.size <= 16)
  }

  // MARK: Any order of things

  /// Calls to endpoints that fail in all ways; which of them were carried out is known here alone.
  private struct Simulation {
    var random: SplitMix
    let policy: RetryPolicy
    var budget: RetryBudget
    var now: UInt64 = 0
    var calls: UInt64 = 0
    var repetitions: UInt64 = 0
    var faults: [String] = []

    init(_ seed: UInt64) {
      random = SplitMix(state: seed)
      policy = RetryPolicy(attempts: UInt8(random.next() % 5), budget: UInt32(random.next() % 40))
      budget = RetryBudget(share: policy.budget, seed: seed)
    }

    /// How an attempt ends, and whether it was carried out.
    mutating func attempt() -> (FailedAttempt, wasCarriedOut: Bool)? {
      switch random.next() % 8 {
      case 0: (.unsent, false)
      case 1: (.untouched, false)
      case 2: (.lostOnUsedConnection(after: random.next() % 251), false)
      case 3: (.lostOnUsedConnection(after: 251 + random.next() % 1000), random.next() % 2 == 0)
      case 4, 5: (.failed(CallOutcome.Failure.allCases[Int(random.next() % 7)]), random.next() % 2 == 0)
      default: nil
      }
    }

    mutating func call() {
      calls += 1
      budget.called()
      now += random.next() % 20
      let isRepeatable = random.next() % 2 == 0
      let usable = random.next() % 16
      let deadline = now + random.next() % 5000
      var time = now
      var attempts = 0
      var isPassed = false
      var carriedOut = 0
      var state = RetryState(isRepeatable: isRepeatable)
      var tried: Set<Int> = []
      while true {
        let endpoint: Int = (0..<4).first { usable & 1 << UInt64($0) != 0 && !state.excludes($0) } ?? 0
        if tried.contains(endpoint), usable.nonzeroBitCount > tried.count, usable & RetryState.mask(endpoint) != 0 {
          faults.append("asked \(endpoint) again before another")
        }
        tried.insert(endpoint)
        state.began(at: endpoint)
        attempts += 1
        if carriedOut > 0, !isRepeatable { faults.append("carried out twice") }
        if isPassed { faults.append("repeated after a byte of an answer") }
        if time >= deadline, attempts > 1 { faults.append("attempt beyond the deadline") }
        guard let (end, wasCarriedOut) = attempt() else { break }
        if wasCarriedOut { carriedOut += 1 }
        if random.next() % 10 == 0 {
          state.passed()
          isPassed = true
        }
        time += random.next() % 100
        let action = state.failed(end, usable: usable, deadline: deadline, policy, &budget, now: time)
        guard case .again(let pause) = action else { break }
        // What nobody has got costs nobody anything.
        if end != .unsent, end != .untouched { repetitions += 1 }
        time += pause
      }
      if attempts > max(1, Int(policy.attempts)) { faults.append("\(attempts) attempts") }
      now = max(now, time)
    }

    mutating func run() {
      for _ in 0..<100 { call() }
      let most = policy.budget == 0 ? 0 : calls * UInt64(policy.budget) / 100 + 10 * (now / 1000 + 2)
      if repetitions > most { faults.append("\(repetitions) repetitions of \(calls) calls in \(now) ms") }
    }
  }

  @Test("Nothing is carried out twice that must not be, and the budget holds")
  func simulation() {
    for seed in 0..<2000 as Range<UInt64> {
      var simulation = Simulation(seed)
      simulation.run()
      #expect(simulation.faults.isEmpty, "seed \(seed)")
      if !simulation.faults.isEmpty { return }
    }
  }
}
