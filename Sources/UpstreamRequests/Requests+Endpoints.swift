import Clusters
import Routing
import Upstream

/// Which endpoint requests go to, the first time and after that.
extension Requests {
  /// The endpoint of a cluster that a request is made for, or goes to if it is made already.
  public func choose(
    _ cluster: Cluster, _ key: @autoclosure () -> RoutingKey, for request: UpstreamRequest? = nil
  ) -> Int {
    guard cluster.hasSeveralEndpoints else { return 0 }
    // It is no load to itself, wherever it is counted until now.
    request?.hold?.with { $0.stake.count(-1, as: request?.count ?? .none) }
    defer { request?.hold?.with { $0.stake.count(1, as: request?.count ?? .none) } }
    let key = key()
    return choose(cluster, key, nil) ?? cluster.home(of: key, now: loop.now)
  }

  /// Another that may be of use for a request that has failed; nil if there is none.
  public func other(for retries: RetryState, _ key: RoutingKey?, in cluster: Cluster) -> Int? {
    guard cluster.hasSeveralEndpoints, retries.excluded != 0 else { return nil }
    return choose(cluster, key, retries)
  }

  /// A second endpoint for a request that takes long; nil where there is none that is well, or too much is repeated already.
  public func second(for request: UpstreamRequest, _ hedge: inout HedgeState) -> Int? {
    guard let hold = request.hold?.kept, hold.cluster.hasSeveralEndpoints else { return nil }
    var tried = request.retries
    tried.exclude(hold.endpoint.index)
    let other = other(for: tried, nil, in: hold.cluster)
    let action = hedge.due(hasOther: other != nil, &hold.server.budget, now: loop.now)
    return action == .begin ? other : nil
  }

  private func choose(_ cluster: Cluster, _ key: RoutingKey?, _ retries: RetryState?) -> Int? {
    stakes.server(cluster).choose(cluster, key, excluding: retries, now: loop.now) { stakes.callsInFlight(at: $0) }
  }

  /// What becomes of a request after an attempt that failed.
  public func failed(_ request: UpstreamRequest, _ attempt: FailedAttempt, in cluster: Cluster) -> RetryState.Action {
    let now = loop.now
    var usable: UInt64 = 0
    for endpoint in cluster.members where endpoint.standing.condition(now: now).standing != .down {
      usable |= RetryState.mask(endpoint.index)
    }
    let server = stakes.server(cluster)
    return request.retries.failed(
      attempt, usable: usable, deadline: request.deadline, server.retries, &server.budget, now: now)
  }
}
