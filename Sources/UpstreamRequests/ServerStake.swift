import Clusters
import Routing
import Upstream

/// What one worker has of one server, whichever face and endpoint of it.
final class ServerStake {
  let id: Int
  private var set: EndpointSet
  private var choice: EndpointChoice
  private let worker: UInt64
  /// How many of its calls may go out again.
  var budget: RetryBudget
  let retries: RetryPolicy

  init(_ cluster: Cluster, worker: Int) {
    id = cluster.stakeID
    self.worker = UInt64(worker)
    set = cluster.endpointSet
    choice = EndpointChoice(set.algorithm, seed: self.worker &+ 1)
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
    if let changing = cluster.changing, changing.generation != set.generation { adopt(changing.current) }
    let members = set.members
    let chosen = choice.choose(key: key) { place in
      let endpoint = members[place]
      return endpoint.standing.condition(
        now: now, load: load(endpoint), isExcluded: excluded?.excludes(endpoint.index) == true)
    }
    return chosen.map { members[$0].index }
  }

  /// Names have come to lead elsewhere.
  private func adopt(_ next: EndpointSet) {
    set = next
    choice = EndpointChoice(next.algorithm, seed: worker &+ 1)
  }
}
