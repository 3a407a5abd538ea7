import Clusters
import Reactor
import Upstream
import Wire
import Workers

/// What one worker has of servers and of their endpoints, for as long as requests to them may be under way.
public final class Stakes {
  private let context: WorkerContext
  private let connections: Connections
  /// By the number of the endpoint, of the server, and by that of a cluster and its endpoint.
  private var endpoints: [PlainKey: UpstreamStake] = [:]
  private var servers: [PlainKey: ServerStake] = [:]
  private var holds: [PlainKey: ClusterHold] = [:]
  /// Those that were left, until nobody can be looking at them any more.
  private var leftHolds: [ClusterHold] = []

  init(_ context: WorkerContext, _ connections: Connections) {
    self.context = context
    self.connections = connections
  }

  func hold(on cluster: Cluster, _ index: Int) -> Lent<ClusterHold> {
    let key = cluster.key(at: index)
    if let known = holds[key] { return Lent(known) }
    let endpoint = cluster.endpoint(index)
    let made = ClusterHold(
      cluster, endpoint, stake(in: endpoint, of: cluster), server(cluster),
      isLate: cluster.isRetired || endpoint.hasLeft)
    holds[key] = made
    return Lent(made)
  }

  private func stake(in endpoint: UpstreamEndpoint, of cluster: Cluster) -> UpstreamStake {
    if let known = endpoints[endpoint.key] { return known }
    let made = makeStake(in: endpoint, cluster.hasSeveralEndpoints ? endpoint.shown : cluster.alias)
    endpoints[endpoint.key] = made
    return made
  }

  private func makeStake(in endpoint: UpstreamEndpoint, _ name: String) -> UpstreamStake {
    UpstreamStake(endpoint, name: name, worker: context.index, of: context.group.workerCount)
  }

  func server(_ cluster: Cluster) -> ServerStake {
    if let known = servers[PlainKey(cluster.stakeID)] { return known }
    let made = ServerStake(cluster, worker: context.index)
    servers[PlainKey(cluster.stakeID)] = made
    return made
  }

  // MARK: Connections

  /// What another worker's pool of connections to an endpoint says.
  public func open(_ letter: PoolLetter, _ endpoint: UpstreamEndpoint) {
    // One that has been left meanwhile has nothing to give, and wants nothing.
    connections.open(letter, endpoints[endpoint.key] ?? makeStake(in: endpoint, endpoint.shown))
  }

  /// Holds connections to a cluster's endpoints ready, from now on.
  public func openAhead(_ cluster: Cluster) {
    guard cluster.opensAhead else { return }
    for endpoint in cluster.members { hold(on: cluster, endpoint.index).with { connections.openAhead($0) } }
  }

  /// Looks at who waits, and at what does not end. True if there is more to be looked at soon.
  func sweep() -> Bool { connections.sweep(endpoints.values) }

  /// Closes what has been idle for long, and opens what is held ready.
  func expire() {
    for stake in endpoints.values { connections.expire(stake) }
    for hold in holds.values where hold.cluster.opensAhead && !hold.endpoint.hasLeft { connections.openAhead(hold) }
  }

  // MARK: Leaving

  /// Nothing more goes to a cluster: what is idle of it is closed.
  func close(_ cluster: Cluster) {
    for endpoint in cluster.endpoints {
      if let stake = endpoints[endpoint.key] { connections.closeIdle(stake) }
    }
  }

  /// The last request of a cluster is over.
  /// - Parameter keepsStake: another cluster counts as the same server.
  func leave(_ cluster: Cluster, keepsStake: Bool) {
    if !keepsStake { servers[PlainKey(cluster.stakeID)] = nil }
    for endpoint in cluster.endpoints {
      if let hold = holds.removeValue(forKey: cluster.key(at: endpoint.index)) { leftHolds.append(hold) }
      // Several processes are of this face alone.
      if !keepsStake || cluster.isProcesses { endpoints[endpoint.key] = nil }
    }
  }

  /// Nothing more goes to one endpoint.
  public func close(_ endpoint: UpstreamEndpoint) {
    if let stake = endpoints[endpoint.key] { connections.closeIdle(stake) }
  }

  /// The last request to it is over.
  public func leave(_ endpoint: UpstreamEndpoint) {
    for (key, hold) in holds where hold.endpoint === endpoint {
      holds[key] = nil
      leftHolds.append(hold)
    }
    endpoints[endpoint.key] = nil
  }

  /// The same for those that something was sent to when they had left, or were about to: nobody says so of them.
  func leaveLate(_ isInUse: (ClusterHold) -> Bool) {
    leftHolds = []
    for hold in holds.values where hold.isLate && !isInUse(hold) { letGo(hold) }
  }

  private func letGo(_ hold: ClusterHold) {
    holds[hold.cluster.key(at: hold.endpoint.index)] = nil
    leftHolds.append(hold)
    // Another cluster that counts as the same server goes on with what it has.
    guard !holds.values.contains(where: { $0.stake === hold.stake }) else { return }
    connections.closeIdle(hold.stake)
    endpoints[hold.endpoint.key] = nil
  }

  // MARK: What there is

  func callsInFlight(at endpoint: UpstreamEndpoint) -> Int { endpoints[endpoint.key]?.callsInFlight ?? 0 }
  var callsInFlight: Int { endpoints.values.reduce(0) { $0 + $1.callsInFlight } }
  /// Connections to an endpoint that hold a permit.
  func pooled(_ endpoint: UpstreamEndpoint) -> Int { endpoints[endpoint.key]?.pool.open ?? 0 }
  var heldThatLeft: Int { holds.values.count(where: \.cluster.isRetired) }
}
