import Clusters
import Upstream
import Workers

/// Tells whoever compares a server's endpoints, once a second, how calls there have ended on this worker. Of endpoints without
/// calls nothing is told, nor of servers that have one alone.
final class EndpointReports {
  /// Milliseconds: short beside the time after which endpoints are compared.
  private static let interval: UInt64 = 1000

  private let timers: Timers
  private let doubt: @Sendable (Cluster, UpstreamDoubt) -> Void
  /// Those of which something is to be told.
  private var counted: [ClusterHold] = []

  init(_ timers: Timers, doubt: @escaping @Sendable (Cluster, UpstreamDoubt) -> Void) {
    self.timers = timers
    self.doubt = doubt
  }

  /// A call at one of several endpoints has ended.
  func add(_ outcome: CallOutcome, at hold: ClusterHold, now: UInt64) {
    if outcome.provesLife { hold.endpoint.standing.answered(now: now) }
    let isFirst = hold.outcomes.isEmpty
    hold.outcomes.add(outcome)
    guard isFirst, !hold.outcomes.isEmpty else { return }
    counted.append(hold)
    if counted.count == 1 { timers.after(milliseconds: Self.interval) { [unowned self] in report() } }
  }

  private func report() {
    for hold in counted {
      doubt(hold.cluster, .fared(hold.outcomes.take(), endpoint: hold.endpoint.index))
    }
    counted.removeAll(keepingCapacity: true)
  }
}
