import Routing
import Synchronization
import Upstream

/// How an endpoint fares, as every worker reads it on the path of a call: its circuit breaker, which the ends of calls move, and
/// what whoever looks after the servers has found out.
public final class EndpointStanding: Sendable {
  public let breaker: CircuitBreaker
  /// Of its tools; asked only where each has one (`Cluster.hasToolBreakers`).
  public let tools: ToolBreakers
  /// A Health, and in the bits above it how much of its weight an endpoint has that comes back.
  private let word = Atomic<UInt32>(UInt32(EndpointCondition.fullShare) << 8)
  private let answerTime = Atomic<UInt64>(0)

  public enum Health: UInt8, Sendable {
    case usable
    /// Its answers are worse than those of the others (an outlier).
    case ejected
    /// It does not answer.
    case unhealthy
  }

  init(_ policy: BreakerPolicy) {
    breaker = CircuitBreaker(policy)
    tools = ToolBreakers(policy)
  }

  public var health: Health { Health(rawValue: UInt8(truncatingIfNeeded: word.load(ordering: .relaxed))) ?? .usable }

  /// When something of its own came back from it last, in milliseconds of the loops' clock; of an endpoint among several.
  public var answeredAt: UInt64 { answerTime.load(ordering: .relaxed) }

  public func answered(now: UInt64) {
    if answeredAt < now { answerTime.store(now, ordering: .relaxed) }
  }

  /// - Parameter share: of 1,024, while it comes back.
  public func update(_ health: Health, share: Int = EndpointCondition.fullShare) {
    let new = UInt32(clamping: share) << 8 | UInt32(health.rawValue)
    if word.load(ordering: .relaxed) != new { word.store(new, ordering: .relaxed) }
  }

  /// - Parameters:
  ///   - load: calls in flight.
  ///   - isExcluded: not for this call.
  public func condition(now: UInt64, load: Int = 0, isExcluded: Bool = false) -> EndpointCondition {
    let word = word.load(ordering: .relaxed)
    let standing: EndpointCondition.Standing =
      switch Health(rawValue: UInt8(truncatingIfNeeded: word)) {
      case .unhealthy: .down
      case _ where !breaker.mayAdmit(now: now): .down
      case .ejected: .ejected
      case .usable, nil: .usable
      }
    return EndpointCondition(standing, load: load, share: Int(word >> 8), isExcluded: isExcluded)
  }
}
