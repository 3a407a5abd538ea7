import Clusters
import Links
import Reactor
import Supervision
import UpstreamClient

/// Which endpoints servers have while they run: those whose names are followed (`resolve: all`) get others as the names lead
/// elsewhere. What becomes of clients' subscriptions when an endpoint is gone is settled here too.
public final class Memberships: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let supervised: SupervisedClusters
  private let desk: LookupDesk
  public let subscriptions: SubscriptionMover
  /// By the stake of a server, which its faces share.
  private var watches: [Int: NameWatch] = [:]

  public init(_ loop: ControlLoop, _ supervised: SupervisedClusters, _ lookup: NameLookup) {
    self.loop = loop
    self.supervised = supervised
    desk = LookupDesk(loop, lookup)
    subscriptions = SubscriptionMover(loop)
  }

  deinit { desk.close() }

  /// No name is looked up any more.
  public func stop() {
    desk.close()
    for watch in watches.values { watch.end() }
    watches = [:]
  }

  /// A cluster is about to be looked at: returns when it is known where its names lead, or that it can't be.
  public func settle(_ cluster: Cluster) async {
    guard cluster.changing != nil, !loop.isStopped, supervised[cluster] != nil else { return }
    let stake = cluster.stakeID
    if watches[stake] == nil {
      watches[stake] = NameWatch(loop, cluster, desk) { [weak self] left in self?.moved(stake, left) }
    }
    await watches[stake]?.settled()
  }

  /// An endpoint of it does not answer, or it is to be looked at afresh: its names may lead elsewhere by now.
  public func urge(_ cluster: Cluster) { watches[cluster.stakeID]?.urge() }

  public func urgeAll() { for watch in watches.values { watch.urge() } }

  /// A cluster is looked after no more.
  public func end(_ cluster: Cluster) {
    guard !supervised.all.contains(where: { $0.cluster.stakeID == cluster.stakeID }) else { return }
    watches.removeValue(forKey: cluster.stakeID)?.end()
  }

  // MARK: Changes

  private func moved(_ stake: Int, _ left: [UpstreamEndpoint]) {
    let faces = supervised.all.filter { $0.cluster.stakeID == stake }
    for cluster in faces.map(\.cluster) where cluster.opensAhead {
      loop.upstream.shared.mail.sendToWorkers(.openAhead(cluster))
    }
    loop.begin { [self] in
      var ends: [(Departure, () -> Void)] = []
      for endpoint in left {
        let departure = Departure(loop: loop, endpoint: endpoint, clusters: faces.map(\.cluster))
        ends.append((departure, await departure.begin()))
      }
      // Not before nobody goes on with what was open there: another leads.
      for face in faces { face.membersChanged() }
      // Who was about to go there goes elsewhere.
      for endpoint in left { endpoint.standing.update(.unhealthy) }
      if !left.isEmpty { for face in faces { subscriptions.carryOver(face.cluster) } }
      for (departure, end) in ends {
        await departure.awaitEnd()
        end()
        watches[stake]?.drained(departure.endpoint)
      }
    }
  }
}
