import Upstream
import Wire

/// When an endpoint is checked, and what that says of it. Times in milliseconds.
public struct HealthPolicy: Equatable, Sendable {
  /// Between checks of what is well, give or take a tenth.
  public var interval: UInt64
  /// A check that takes longer has failed.
  public var timeout: UInt64
  /// Checks in a row that fail until it is down, and that pass until it is up.
  public var fall: UInt8
  public var rise: UInt8
  /// How long what refuses connections is taken for what restarts.
  public var restartGrace: UInt64

  public init(
    interval: UInt64 = 10_000, timeout: UInt64 = 5000, fall: UInt8 = 2, rise: UInt8 = 1, restartGrace: UInt64 = 2000
  ) {
    self.interval = max(1, interval)
    self.timeout = max(1, timeout)
    self.fall = max(1, fall)
    self.rise = max(1, rise)
    self.restartGrace = restartGrace
  }
}

/// How an endpoint is: by active checks, by how calls end, and by whether its process lives. A value without I/O.
///
///     unknown ──pass──▶ healthy ──two fail──▶ unhealthy ──pass──▶ healthy
///                          │                      ▲
///                          └─refused─▶ coming back ┘ after the grace
///
/// A check passes if anything of the server's own comes back (`CallOutcome.provesLife`): whether its answers are good
/// is for breakers to say. One that takes too long says nothing if others were answered meanwhile. A call that ends well is as good as a check, and puts the next one off; one that finds
/// nobody makes it come at once. A process that was stopped because nobody used it is neither well nor ill, and is not
/// checked, which would start it.
public struct HealthState: Sendable {
  public enum Status: Equatable, Sendable {
    case unknown
    case healthy
    case unhealthy(since: UInt64, CallOutcome.Failure)
    case comingBack(since: UInt64)
    case stopped

    /// Whether calls are to go there as long as there is a choice. What is stopped starts for them.
    public var isUsable: Bool {
      switch self {
      case .unknown, .healthy, .stopped: true
      case .unhealthy, .comingBack: false
      }
    }
  }

  public enum Action: Equatable, Sendable {
    case none
    /// A check is to begin; `checked` says how it ended.
    case check
    case becameHealthy
    case becameUnhealthy
  }

  public let policy: HealthPolicy
  public private(set) var status = Status.unknown
  /// In a row, of checks.
  private var failures: UInt8 = 0
  private var passes: UInt8 = 0
  /// When the next check is due, and until when the one under way may take; 0: none is.
  private var nextCheck: UInt64 = 0
  private var checkEnds: UInt64 = 0
  /// When the last check began.
  private var checkBegan: UInt64 = 0
  /// When something last came back from it, to somebody else's request.
  private var answeredAt: UInt64 = 0
  private var random: SplitMix

  /// The shortest time between checks: of what fails, and when calls ask for them.
  private static let shortest: UInt64 = 500
  /// Between checks of what restarts.
  private static let whileComingBack: UInt64 = 100

  public init(_ policy: HealthPolicy, seed: UInt64) {
    self.policy = policy
    random = SplitMix(state: seed)
  }

  /// When something becomes due next; `.max`: never by itself.
  public var nextTick: UInt64 {
    if status == .stopped { return .max }
    let check = checkEnds > 0 ? checkEnds : nextCheck
    if case .comingBack(let since) = status { return min(check, since + policy.restartGrace) }
    return check
  }

  // MARK: Time

  /// Whatever is due: to be called again until nothing is.
  public mutating func tick(now: UInt64) -> Action {
    if case .comingBack(let since) = status, now >= since + policy.restartGrace {
      return fall(since: since, .refused)
    }
    if status == .stopped { return .none }
    if checkEnds > 0 {
      guard now >= checkEnds else { return .none }
      return checked(.failure(.timeout), now: now)
    }
    guard now >= nextCheck else { return .none }
    checkBegan = now
    checkEnds = now + policy.timeout
    return .check
  }

  // MARK: What happens

  /// A check has ended.
  public mutating func checked(_ outcome: CallOutcome, now: UInt64) -> Action {
    guard checkEnds > 0 else { return ended(outcome, now: now) }
    checkEnds = 0
    if outcome.provesLife { return passed(now) }
    if outcome == .failure(.timeout), answeredAt > checkBegan {
      // It has much to do, and answers others meanwhile. Whether it still does is looked at soon.
      failures = 0
      nextCheck = now + min(Self.shortest, policy.interval)
      return .none
    }
    defer { nextCheck = now + pause() }
    // It was given up for a reason of the gateway's own.
    guard let failure = outcome.failure else { return .none }
    passes = 0
    if failures < .max { failures += 1 }
    return failed(failure, isEnough: failures >= policy.fall, now)
  }

  /// It has answered somebody then, whatever that was.
  public mutating func answered(at time: UInt64) { answeredAt = max(answeredAt, time) }

  /// A client's call has ended.
  public mutating func ended(_ outcome: CallOutcome, now: UInt64) -> Action {
    if status == .stopped { return .none }
    if outcome.provesLife {
      // A check says the same, and costs more.
      if status == .healthy {
        failures = 0
        if checkEnds == 0 { nextCheck = now + pause() }
        return .none
      }
      return passed(now)
    }
    guard let failure = outcome.failure else { return .none }
    nextCheck = min(nextCheck, max(now, checkBegan + Self.shortest))
    return failure == .refused ? failed(failure, isEnough: false, now) : .none
  }

  /// Its process has ended, and is to be started again.
  public mutating func processEnded(now: UInt64) -> Action {
    checkEnds = 0
    passes = 0
    nextCheck = .max
    return failed(.refused, isEnough: false, now)
  }

  /// Its process was started too often, and is not any more.
  public mutating func gaveUp(now: UInt64) -> Action {
    checkEnds = 0
    nextCheck = .max
    if case .unhealthy = status { return .none }
    return fall(since: now, .refused)
  }

  /// Its process runs: it is to be seen whether it answers.
  public mutating func processStarted(now: UInt64) {
    if status == .stopped { status = .unknown }
    checkEnds = 0
    nextCheck = now
  }

  /// Its process was stopped because nobody needs it.
  public mutating func stopped() {
    status = .stopped
    checkEnds = 0
    failures = 0
    passes = 0
  }

  // MARK: What follows

  private mutating func passed(_ now: UInt64) -> Action {
    failures = 0
    if passes < .max { passes += 1 }
    defer { nextCheck = now + pause() }
    guard status != .healthy, passes >= policy.rise else { return .none }
    status = .healthy
    return .becameHealthy
  }

  private mutating func failed(_ failure: CallOutcome.Failure, isEnough: Bool, _ now: UInt64) -> Action {
    if case .unhealthy = status { return .none }
    if failure == .refused {
      guard policy.restartGrace > 0 else { return fall(since: now, failure) }
      if case .comingBack = status { return .none }
      status = .comingBack(since: now)
      passes = 0
      return .none
    }
    return isEnough ? fall(since: now, failure) : .none
  }

  private mutating func fall(since: UInt64, _ failure: CallOutcome.Failure) -> Action {
    passes = 0
    failures = 0
    status = .unhealthy(since: since, failure)
    return .becameUnhealthy
  }

  /// Until the next check: what fails is looked at more often at first.
  private mutating func pause() -> UInt64 {
    if case .comingBack = status { return Self.whileComingBack }
    let time =
      failures > 0
      ? Backoff.delay(after: UInt32(failures), within: min(Self.shortest, policy.interval)...policy.interval)
      : status == .healthy ? policy.interval : min(Self.shortest, policy.interval)
    return time - time / 10 + UInt64.random(in: 0...time / 5, using: &random)
  }
}
