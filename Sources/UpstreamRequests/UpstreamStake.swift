import Clusters
import Reactor
import Upstream

/// What a request counts as among those that one upstream may have in flight.
public enum RequestCount {
  case call, aside, none
}

/// What one worker has of one endpoint, whichever face of its server asks. An object: changing a value within a dictionary
/// allocates.
final class UpstreamStake {
  typealias Pool = PoolState<ConnectionID, RequestID>

  let endpoint: UpstreamEndpoint
  /// For the log.
  let name: String
  /// Of the endpoint: all workers' own.
  private let permits: Lent<Permits>
  var pool: Pool
  /// Connections that do not serve for as long as they like.
  var termed = 0
  /// What its circuit breaker has not heard of yet.
  var tally = OutcomeTally()
  var callsInFlight = 0
  /// Messages on their way that are no calls.
  var asidesInFlight = 0

  init(_ endpoint: UpstreamEndpoint, name: String, worker: Int, of workers: Int) {
    self.endpoint = endpoint
    self.name = name
    permits = Lent(endpoint.permits)
    pool = Pool(worker: worker, of: workers, endpoint.pool, seed: .random(in: 1 ... .max))
  }

  var id: Int { endpoint.id }

  func count(_ change: Int, as count: RequestCount) {
    switch count {
    case .call: callsInFlight += change
    case .aside: asidesInFlight += change
    case .none: break
    }
  }

  // MARK: The pool, with the permits of all workers

  func checkout(_ caller: RequestID, isFresh: Bool, now: UInt64) -> Pool.Checkout {
    permits.with { pool.checkout(caller, isFresh: isFresh, now: now, $0) }
  }

  func checkoutAside(now: UInt64) -> (Lease, ConnectionID?, closing: ConnectionID?) {
    permits.with { pool.checkoutAside(now: now, $0) }
  }

  func released(_ connection: ConnectionID, _ lease: Lease, reusable: Bool, now: UInt64) -> Pool.Return {
    permits.with { pool.released(connection, lease, reusable: reusable, now: now, $0) }
  }

  func ended(_ lease: Lease, now: UInt64) -> Pool.Step? { permits.with { pool.ended(lease, now: now, $0) } }

  func permitCame(now: UInt64) -> [Pool.Step] { permits.with { pool.permitCame(now: now, $0) } }

  func askedToGiveUp(asked: UInt64) -> Pool.Step? { permits.with { pool.askedToGiveUp(asked: asked, $0) } }

  func leave(_ place: PoolPlace) { permits.with { _ = pool.leave(place, $0) } }

  func timedOut(now: UInt64) -> RequestID? { permits.with { pool.timedOut(now: now, $0) } }

  func expire(now: UInt64) -> [(ConnectionID, Lease)] { permits.with { pool.expire(now: now, $0) } }

  func openAhead(now: UInt64) -> Lease? { permits.with { pool.openAhead(now: now, $0) } }

  var isPressed: Bool { permits.with { pool.isPressed($0) } }

  func takeNews() -> Utilisation? { permits.with { $0.takeNews() } }
}

/// A worker's own hold on an endpoint of a cluster, as long as requests of it may be under way. They refer to it without being
/// counted: the cluster itself is every worker's, and whoever counts a reference to it takes its line of memory from the others.
public final class ClusterHold {
  public let cluster: Cluster
  public let endpoint: UpstreamEndpoint
  let stake: UpstreamStake
  let server: ServerStake
  /// Its cluster has others, which calls may go to as well.
  let isOneOfSeveral: Bool
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
    isOneOfSeveral = cluster.hasSeveralEndpoints
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
