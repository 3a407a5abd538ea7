import Synchronization

/// A circuit breaker that all workers go by. While all goes well a call reads one word that nobody writes; the lock is
/// taken where something failed, and where the word says that something has.
///
/// What is exact: a call that ends well on a worker after a failure there ends the row of failures, and of several
/// workers' failures each counts. There is at most one probe. What is not: a success that another worker sees in the
/// very moment of a failure may not end the row; and of successes each worker may hold back up to 31, or those of a
/// 32nd of the window, so that the share of failures is taken for a little more than it is where there are few calls.
public final class CircuitBreaker: Sendable {
  public let policy: BreakerPolicy
  private let word = Atomic<UInt64>(0)
  private let state: Mutex<CircuitBreakerState>

  /// - Parameter seed: of how its open times are spread.
  public init(_ policy: BreakerPolicy, seed: UInt64 = .random(in: .min ... .max)) {
    self.policy = policy
    state = Mutex(CircuitBreakerState(policy, seed: seed))
  }

  @inline(__always)
  private var current: BreakerWord { BreakerWord(rawValue: word.load(ordering: .relaxed)) }

  /// Whether a call may go there. What is admitted has to be told of by `ended`.
  public func admit(now: UInt64) -> BreakerAdmission {
    let word = current
    if word.isClosed { return .admitted(BreakerPass(begunAt: now, probe: 0)) }
    guard now >= word.until else { return refusal(word, now) }
    return change { $0.admit(now: now) }
  }

  /// As long as nothing can change nobody waits for the lock.
  private func refusal(_ word: BreakerWord, _ now: UInt64) -> BreakerAdmission {
    let rest = word.until - now
    return switch word.phase {
    case .comingBack: .comingBack(retryAfter: min(rest, CircuitBreakerState.pause(after: .max)))
    case .halfOpen: .refused(retryAfter: min(rest, policy.openTime))
    case .open, .closed: .refused(retryAfter: rest)
    }
  }

  /// A call has ended, in whichever way.
  /// - Parameters:
  ///   - tool: see `CircuitBreakerState.ended`.
  ///   - tally: of this worker, for this breaker.
  public func ended(
    _ pass: BreakerPass, _ outcome: CallOutcome, tool: UInt64 = 0, _ tally: inout OutcomeTally, now: UInt64
  ) -> BreakerChange {
    if !pass.isProbe {
      let word = current
      switch outcome {
      case .neutral: return .none
      case .failure: break
      case .success:
        if policy.failureRate > 0 { tally.count(now, window: policy.window) }
        guard word.awaitsSuccess || word.countsCalls && tally.isDue(now, window: policy.window) else { return .none }
      }
    }
    let successes = tally.take(now)
    return change { $0.ended(pass, outcome, tool: tool, successes: successes, now: now) }
  }

  /// The connection of a call was made.
  public func connected(_ pass: BreakerPass, now: UInt64) -> BreakerChange {
    guard pass.isProbe else { return .none }
    return change { $0.connected(pass, now: now) }
  }

  /// A call was not made after all.
  public func released(_ pass: BreakerPass, now: UInt64) {
    guard pass.isProbe else { return }
    _ = change { $0.ended(pass, .withdrawn, now: now) }
  }

  /// An active check has passed.
  public func encouraged() {
    guard current.phase == .open else { return }
    change { $0.encouraged() }
  }

  public func reset(now: UInt64) -> BreakerChange { change { $0.reset(now: now) } }

  // MARK: Looking

  /// Whether calls go there as always.
  public var isClosed: Bool { current.isClosed }

  /// Whether those who have time may wait for it.
  public var isComingBack: Bool { current.phase == .comingBack }

  /// Whether a call would be admitted, as far as that can be said without asking: for choosing among endpoints.
  public func mayAdmit(now: UInt64) -> Bool {
    let word = current
    return word.isClosed || now >= word.until
  }

  /// For people and metrics.
  public func phase(now: UInt64) -> CircuitBreakerState.Phase {
    change { state in
      state.tick(now: now)
      return state.phase
    }
  }

  @inline(never)
  private func change<Result>(_ body: (inout CircuitBreakerState) -> Result) -> Result {
    state.withLock { state in
      let result = body(&state)
      // Written under the lock, so that the word is never older than what it is read from.
      word.store(state.word.rawValue, ordering: .relaxed)
      return result
    }
  }
}
