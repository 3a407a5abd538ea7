import Clusters
import Routing
import Upstream

/// What one worker has of one server, whichever face and endpoint of it.
final class ServerStake {
  let id: Int
  private var choice: EndpointChoice
  /// How many of its calls may go out again.
  var budget: RetryBudget
  let retries: RetryPolicy

  init(_ cluster: Cluster, worker: Int) {
    id = cluster.stakeID
    choice = EndpointChoice(cluster.algorithm, seed: UInt64(worker) &+ 1)
    retries = cluster.retryPolicy
    budget = RetryBudget(share: retries.budget, seed: UInt64(id) << 8 | UInt64(worker))
  }

  /// Which endpoint of its cluster a request goes to: by what the worker has in flight with each, and by how they fare.
  /// - Parameters:
  ///   - excluded: those that it has failed at.
  ///   - load: calls that the worker has in flight with an endpoint.
  func choose(
    _ cluster: Cluster, _ key: RoutingKey?, excluding excluded: RetryState?, now: UInt64,
    load: (UpstreamEndpoint) -> Int
  ) -> Int? {
    let endpoints = cluster.endpoints
    return choice.choose(key: key) { index in
      let endpoint = endpoints[index]
      return endpoint.standing.condition(
        now: now, load: load(endpoint), isExcluded: excluded?.excludes(index) == true)
    }
  }
}
