import Upstream
import Wire

/// How often a process is started again, and when it is stopped. Times in milliseconds.
public struct RestartPolicy: Equatable, Sendable {
  /// Restarts within the window; after so many the next death is the last. 0: the first is.
  public var limit: Int
  public var window: UInt64
  /// Without a call for so long it is stopped; 0: never.
  public var idleStop: UInt64

  /// What dies at once is started again after so long, then after twice as long each time. Short enough for a process
  /// that always dies at once to come to its limit, instead of being started for ever, and for calls to wait for it.
  static let delays: ClosedRange<UInt64> = 100...2000
  /// What has run for so long before it died is started as if it had died for the first time.
  static let steadyRun: UInt64 = 10_000

  public init(limit: Int = 10, window: UInt64 = 60_000, idleStop: UInt64 = 0) {
    self.limit = max(0, limit)
    self.window = window
    self.idleStop = idleStop
  }
}

/// Whether a process is started, started again, or stopped. A value without I/O.
///
///     stopped ──wanted──▶ running ──ended──▶ waiting ──time is over──▶ running
///        ▲                 │   │                │
///        └─ended─ stopping ◀idle   too often    └─▶ failed ──reset──▶ running
///
/// One that nobody uses is stopped, which is no failure: the next call starts it. One that has failed stays so until a
/// reload, or until somebody says so.
public struct RestartState: Sendable {
  public enum Phase: Equatable, Sendable {
    case stopped
    case running(since: UInt64)
    case waiting(until: UInt64)
    case stopping
    case failed(since: UInt64)
  }

  public enum Action: Equatable, Sendable {
    case none
    /// `ended` tells of its end, also where it can't be started.
    case start
    /// It has been idle for long enough.
    case stop
    /// It has died too often.
    case giveUp
  }

  public let policy: RestartPolicy
  public private(set) var phase = Phase.stopped
  /// When it was started again, the oldest first.
  private var restarts: [UInt64] = []
  /// Deaths in a row, each soon after a start.
  private var deaths: UInt32 = 0
  private var calls = 0
  private var idleSince: UInt64 = 0
  /// Somebody needs it while it stops.
  private var isWanted = false
  private var random: SplitMix

  public init(_ policy: RestartPolicy, seed: UInt64) {
    self.policy = policy
    random = SplitMix(state: seed)
  }

  /// When `tick` has something to do; `.max`: never by itself.
  public var nextTick: UInt64 {
    switch phase {
    case .waiting(let until): until
    case .running(let since) where policy.idleStop > 0 && calls == 0: max(since, idleSince) + policy.idleStop
    case .running, .stopped, .stopping, .failed: .max
    }
  }

  /// How long a call that needs it is to wait before it asks again; nil: no wait will help, or none is needed.
  public func retryAfter(now: UInt64) -> UInt64? {
    if case .waiting(let until) = phase { until > now ? until - now : 1 } else { nil }
  }

  // MARK: What happens

  public mutating func tick(now: UInt64) -> Action {
    guard now >= nextTick else { return .none }
    if case .waiting = phase {
      restarts.append(now)
      return start(now)
    }
    phase = .stopping
    return .stop
  }

  /// Somebody needs it.
  public mutating func wanted(now: UInt64) -> Action {
    switch phase {
    case .stopped: return start(now)
    case .stopping: isWanted = true
    case .running, .waiting, .failed: break
    }
    return .none
  }

  public mutating func callBegan() { calls += 1 }

  public mutating func callEnded(now: UInt64) {
    calls = max(0, calls - 1)
    idleSince = now
  }

  /// It ended, or could not be started. Calls that it had are over.
  public mutating func ended(now: UInt64) -> Action {
    calls = 0
    switch phase {
    case .running(let since): return died(now, after: now - min(since, now))
    case .stopping:
      phase = .stopped
      return isWanted ? start(now) : .none
    case .stopped, .waiting, .failed: return .none
    }
  }

  /// It is to be tried again, whatever has happened.
  public mutating func reset(now: UInt64) -> Action {
    restarts = []
    deaths = 0
    switch phase {
    case .waiting, .failed: return start(now)
    case .stopped, .running, .stopping: return .none
    }
  }

  // MARK: What follows

  private mutating func start(_ now: UInt64) -> Action {
    isWanted = false
    idleSince = now
    phase = .running(since: now)
    return .start
  }

  private mutating func died(_ now: UInt64, after run: UInt64) -> Action {
    if run >= RestartPolicy.steadyRun { deaths = 0 }
    if deaths < .max { deaths += 1 }
    restarts.removeAll { $0 + policy.window <= now }
    guard restarts.count < policy.limit else {
      phase = .failed(since: now)
      return .giveUp
    }
    let longest = Backoff.delay(after: deaths, within: RestartPolicy.delays)
    phase = .waiting(until: now + longest - UInt64.random(in: 0...longest / 2, using: &random))
    return .none
  }
}
