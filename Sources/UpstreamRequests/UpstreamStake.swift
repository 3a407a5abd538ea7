import Clusters
import Reactor
import Upstream

/// What a request counts as among those that one upstream may have in flight.
public enum RequestCount {
  case call, aside, none
}

/// What one worker has of one endpoint, whichever face of its server asks. An object: changing a value within a dictionary allocates.
final class UpstreamStake {
  let id: Int
  var pool = ConnectionPool()
  /// What its circuit breaker has not heard of yet.
  var tally = OutcomeTally()
  var callsInFlight = 0
  /// Messages on their way that are no calls.
  var asidesInFlight = 0

  init(id: Int) { self.id = id }

  func count(_ change: Int, as count: RequestCount) {
    switch count {
    case .call: callsInFlight += change
    case .aside: asidesInFlight += change
    case .none: break
    }
  }
}

/// A worker's own hold on an endpoint of a cluster, as long as requests of it may be under way. They refer to it without being counted: the
/// cluster itself is every worker's, and whoever counts a reference to it takes its line of memory from the others.
public final class ClusterHold {
  public let cluster: Cluster
  public let endpoint: UpstreamEndpoint
  let stake: UpstreamStake
  let server: ServerStake
  /// Of the endpoint, whose line of memory no call is to take from other workers.
  let breaker: Lent<CircuitBreaker>
  let tools: Lent<ToolBreakers>
  /// Made when its cluster was leaving already: for a call that was routed before, or for the end of a conversation.
  let isLate: Bool
  /// How its calls have ended lately, where it is compared with others.
  var outcomes = OutcomeCounts()

  init(_ cluster: Cluster, _ endpoint: UpstreamEndpoint, _ stake: UpstreamStake, _ server: ServerStake, isLate: Bool) {
    self.cluster = cluster
    self.endpoint = endpoint
    breaker = Lent(endpoint.standing.breaker)
    tools = Lent(endpoint.standing.tools)
    self.stake = stake
    self.server = server
    self.isLate = isLate
  }

  /// A new connection to it; nil where the loop has no room for one.
  func connect(_ loop: EventLoop, tag: UInt64) -> ConnectionID? {
    endpoint.address.flatMap { loop.connect($0, tag: tag) }
  }
}
