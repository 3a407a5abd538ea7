import ConfigurationSyntax
import UpstreamHealth
import Workers

/// The life of a command's child, as far as it is looked after: when it is started again after its death, and when no more.
/// What could not even be started, or runs and is of no use, is no death.
public struct ChildLife {
  /// What follows from a look that came to nothing.
  public enum Verdict: Equatable {
    /// It did not die: it is looked at again like anything that does not answer.
    case alive
    /// It is started again in so many milliseconds.
    case again(UInt64)
    /// It has died too often: how often and how, as the end of a sentence.
    case failed(String)
  }

  private var state: RestartState
  private let deaths: ChildDeaths
  /// Deaths that are reckoned with already.
  private var known: UInt64
  private let tooOften: String

  /// nil for a server that is not started here.
  public init?(of cluster: Cluster, seed: UInt64 = .random(in: 0 ... .max)) {
    guard let server = cluster.server, case .command = server.kind else { return nil }
    let (limit, window) = (server.restarts.limit, server.restarts.window)
    // Others have children that end with whom they are for.
    let idleStop = server.isolation == .shared ? server.idleStop?.milliseconds ?? 0 : 0
    state = RestartState(RestartPolicy(limit: limit, window: window.milliseconds, idleStop: idleStop), seed: seed)
    deaths = cluster.deaths
    known = deaths.count
    tooOften = limit == 0 ? "it died" : "it died \(limit + 1) times within \(Quantity.describe(window))"
  }

  /// It is about to be looked at, and started for that.
  public mutating func begins(now: UInt64) {
    if state.tick(now: now) == .none { _ = state.wanted(now: now) }
  }

  /// It answers: who died on the way to that is forgotten.
  public mutating func answered() { known = deaths.count }

  /// A look came to nothing, or what answered does not any more.
  public mutating func ended(now: UInt64) -> Verdict {
    guard deaths.count > known else { return .alive }
    known = deaths.count
    _ = state.ended(now: now)
    switch state.phase {
    case .waiting(let until): return .again(until > now ? until - now : 0)
    case .failed: return .failed("\(tooOften), and \(deaths.last) at last")
    case .stopped, .running, .stopping: return .alive
    }
  }

  // MARK: Idleness

  /// Milliseconds after which it may have been unused for long enough to be stopped; nil: never, or it does not run.
  public func untilIdle(now: UInt64) -> UInt64? {
    guard case .running = state.phase, state.nextTick < .max else { return nil }
    return state.nextTick > now ? state.nextTick - now : 0
  }

  /// Somebody used it until then.
  public mutating func used(until time: UInt64) {
    state.callBegan()
    state.callEnded(now: time)
  }

  /// It was ended since nobody used it.
  public mutating func stopped(now: UInt64) {
    known = deaths.count
    if state.tick(now: now) == .stop { _ = state.ended(now: now) }
  }

  /// It is to be tried again.
  public mutating func reset(now: UInt64) { _ = state.reset(now: now) }
}
