import Wire

/// Whether an endpoint is asked, by how its calls have ended. A value without I/O.
///
///     closed ──failures──▶ open ──time is over──▶ half-open ──success──▶ closed
///       │                    ▲                     │
///       │                    └──────failure────────┘
///       └─refused─▶ coming back ──answer──▶ closed
///                        └──the grace is over──▶ half-open
///
/// In the two states in which it is not known how things are one call at a time may find out: the probe. Whoever is
/// told nothing of its end waits no longer than a lease, a second at first and twice as long each time: a slow call is
/// no reason to keep all others out. A refused connection is what a restart looks like, and most
/// are over within a second: while its grace lasts a probe may go every 10, 20, 40, then 50 ms, and a connection that
/// is made is enough.
///
/// Failures of one tool alone, which the server itself tells or which are that it takes too long, do not open it by their
/// number: a breaker of that tool's is there for them.
public struct CircuitBreakerState: Sendable {
  public enum Phase: Equatable, Sendable {
    case closed
    case open(until: UInt64)
    case halfOpen
    case comingBack(since: UInt64)
  }

  public let policy: BreakerPolicy
  public private(set) var phase = Phase.closed
  /// Failures in a row.
  public private(set) var streak: UInt32 = 0
  /// When the last of them was counted.
  private var streakAt: UInt64 = 0
  /// How long the end of a process may take, from the first of its connections that is closed to the port that nobody
  /// listens on any more, in milliseconds.
  private static let dying: UInt64 = 100
  /// The one tool that all of them are about; 0 if there is no such.
  private var streakTool: UInt64 = 0
  private var window: CallWindow
  /// How often it has opened since it was closed.
  private var openings: UInt32 = 0
  /// When it closed after it had not been: what began earlier says nothing.
  private var closedAt: UInt64 = 0

  /// The number of the call that probes; 0: none does.
  private var probe: UInt32 = 0
  private var leaseEnds: UInt64 = 0
  private var lastProbe: UInt32 = 0
  /// Since it became half-open, and how long the first may keep others from probing, in milliseconds.
  private var probes: UInt32 = 0
  private static let firstLease: UInt64 = 1000
  /// Probes that were refused while it comes back, and when the next may go.
  private var refusals: UInt32 = 0
  private var nextProbe: UInt64 = 0

  private var random: SplitMix

  public init(_ policy: BreakerPolicy, seed: UInt64) {
    self.policy = policy
    window = CallWindow(policy.window)
    random = SplitMix(state: seed)
  }

  // MARK: Calls begin

  /// A call wants to go there.
  public mutating func admit(now: UInt64) -> BreakerAdmission {
    tick(now: now)
    switch phase {
    case .closed: return .admitted(BreakerPass(begunAt: now, probe: 0))
    case .open(let until): return .refused(retryAfter: until - now)
    case .halfOpen:
      guard probe != 0 else {
        defer { if probes < .max { probes += 1 } }
        return .admitted(makeProbe(now, lease: min(Self.firstLease << UInt64(min(probes, 10)), policy.probeLease)))
      }
      return .refused(retryAfter: min(leaseEnds - now, policy.openTime))
    case .comingBack(let since):
      let next = probe != 0 ? leaseEnds : nextProbe
      guard next > now else { return .admitted(makeProbe(now, lease: policy.restartGrace)) }
      let rest = since + policy.restartGrace - now
      return .comingBack(retryAfter: min(next - now, rest, Self.pause(after: .max)))
    }
  }

  private mutating func makeProbe(_ now: UInt64, lease: UInt64) -> BreakerPass {
    lastProbe = lastProbe == .max ? 1 : lastProbe + 1
    probe = lastProbe
    leaseEnds = now + lease
    return BreakerPass(begunAt: now, probe: probe)
  }

  /// Time goes by.
  public mutating func tick(now: UInt64) {
    if probe != 0, now >= leaseEnds { probe = 0 }
    switch phase {
    case .closed: window.advance(to: now)
    case .open(let until) where now >= until: becomeHalfOpen()
    case .comingBack(let since) where now >= since + policy.restartGrace: becomeHalfOpen()
    case .open, .halfOpen, .comingBack: break
    }
  }

  // MARK: Calls end

  /// A call has ended.
  /// - Parameters:
  ///   - tool: what the failures of one tool alone have in common; 0 where it has no breaker of its own.
  ///   - successes: calls that ended well and that nobody has told of yet, this one among them.
  public mutating func ended(
    _ pass: BreakerPass, _ outcome: CallOutcome, tool: UInt64 = 0, successes: UInt32 = 0, now: UInt64
  ) -> BreakerChange {
    tick(now: now)
    guard phase == .closed else { return probeEnded(pass, outcome, now) }
    if successes > 0 { window.add(calls: successes, now: now) }
    switch outcome {
    case .neutral: return .none
    case .success:
      streak = 0
      return .none
    case .failure(let failure):
      // Whatever began before it closed may fail for what is over.
      guard pass.begunAt >= closedAt else { return .none }
      // A process that dies takes all with it that is under way, and what is about to connect to it: that is one failure in
      // the row.
      let isSame = failure == .transport && streak > 0 && pass.begunAt < streakAt + Self.dying
      return failed(failure, tool: failure.mayBeOneTools ? tool : 0, isSame: isSame, now)
    }
  }

  private mutating func failed(
    _ failure: CallOutcome.Failure, tool: UInt64, isSame: Bool, _ now: UInt64
  ) -> BreakerChange {
    streakTool = streak == 0 || streakTool == tool ? tool : 0
    if streak < .max, !isSame {
      streak += 1
      streakAt = now
    }
    window.add(failures: 1, now: now)
    if failure == .refused, policy.restartGrace > 0 { return comeBack(now) }
    let isStreak = policy.threshold > 0 && streak >= policy.threshold && streakTool == 0
    return isStreak || exceedsRate ? open(now) : .none
  }

  private var exceedsRate: Bool {
    policy.failureRate > 0 && window.calls >= policy.minimumCalls
      && UInt64(window.failures) * 100 >= UInt64(window.calls) * UInt64(policy.failureRate)
  }

  private mutating func probeEnded(_ pass: BreakerPass, _ outcome: CallOutcome, _ now: UInt64) -> BreakerChange {
    guard pass.isProbe, pass.begunAt >= closedAt else { return .none }
    // Good news is welcome from a probe whose lease is over, too: some servers take longer for a call.
    switch outcome {
    case .success: return close(now)
    case .neutral(let answered):
      if answered, case .comingBack = phase { return close(now) }
      if pass.probe == probe { probe = 0 }
      return .none
    case .failure(let failure):
      guard pass.probe == probe else { return .none }
      probe = 0
      guard case .comingBack = phase, failure == .refused || failure == .transport else { return open(now) }
      nextProbe = now + Self.pause(after: refusals)
      refusals += 1
      return .none
    }
  }

  /// The connection of a probe was made: what restarted is there again, however long it takes for the call. Where it is
  /// not a restart, a connection shows little.
  public mutating func connected(_ pass: BreakerPass, now: UInt64) -> BreakerChange {
    tick(now: now)
    guard case .comingBack = phase, pass.isProbe, pass.begunAt >= closedAt else { return .none }
    return close(now)
  }

  // MARK: From outside

  /// An active check has passed: the next call may probe at once.
  public mutating func encouraged() {
    if case .open = phase { becomeHalfOpen() }
  }

  /// All is forgotten, as an operator wants it.
  public mutating func reset(now: UInt64) -> BreakerChange { phase == .closed ? .none : close(now) }

  // MARK: Changes

  private mutating func becomeHalfOpen() {
    phase = .halfOpen
    probes = 0
  }

  private mutating func open(_ now: UInt64) -> BreakerChange {
    probe = 0
    openings += openings < .max ? 1 : 0
    let longest = policy.openTime(openings)
    let time = longest - UInt64.random(in: 0...longest / 5, using: &random)
    phase = .open(until: now + time)
    return .opened(milliseconds: time)
  }

  private mutating func comeBack(_ now: UInt64) -> BreakerChange {
    probe = 0
    phase = .comingBack(since: now)
    refusals = 1
    nextProbe = now + Self.pause(after: 0)
    return .comingBack
  }

  private mutating func close(_ now: UInt64) -> BreakerChange {
    phase = .closed
    closedAt = now
    probe = 0
    streak = 0
    openings = 0
    window.clear()
    return .closed
  }

  /// Between probes while it comes back, in milliseconds.
  static func pause(after refusals: UInt32) -> UInt64 { refusals < 3 ? 10 << UInt64(refusals) : 50 }

  // MARK: What all see

  /// In one word.
  var word: BreakerWord {
    switch phase {
    case .closed:
      BreakerWord(closedAfter: streak > 0, failuresLately: policy.failureRate > 0 && window.failures > 0)
    case .open(let until): BreakerWord(.open, until: until)
    case .halfOpen: BreakerWord(.halfOpen, until: probe == 0 ? 0 : leaseEnds)
    case .comingBack(let since):
      BreakerWord(.comingBack, until: min(probe == 0 ? nextProbe : leaseEnds, since + policy.restartGrace))
    }
  }
}
