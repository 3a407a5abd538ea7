import Catalogue
import Clusters
import Configuration
import Delivery
import Logging
import MCP
import Membership
import OpenCalls
import Reactor
import ServedCatalogue
import Supervision
import Translation
import Upstream
import UpstreamClient
import Workers

/// The control loop: looks after the upstreams, merges what they list into the catalogue, tells clients of changes, and goes
/// over to other settings. Made of parts that own their state, and that run on that loop alone, as this does but for what may
/// be called from any thread.
public final class Federation: @unchecked Sendable {  // what changes is touched on the control loop alone
  private let loop: ControlLoop
  private let clusters: ClusterSet
  private let lists: ServerLists
  private let faces: SecondFaces
  private let merger: CatalogueMerger
  private let announcer: ListAnnouncer
  private let overlays: Overlays
  private let refresher: ListRefresher
  private let supervisor: Supervisor
  private let retirement: Retirement
  private let listens: GatewayListens
  private let memberships: Memberships
  private let names: ServerNames
  private weak var observer: (any FederationObserver)?
  private var isDue = false

  /// How long changes are collected before they make a new catalogue, in milliseconds.
  private static let collecting: UInt64 = 50

  /// - Parameters:
  ///   - upstream: of the control loop.
  ///   - clusters: what is configured.
  public init(
    upstream: UpstreamClient, deliveries: DeliveryShared, settings: CurrentSettings, clients: any FederationDelegate,
    clusters: ClusterSet, journal: NameJournal? = nil, lookup: NameLookup = .system, logger: Logger
  ) {
    let loop = ControlLoop(upstream, deliveries, settings, clients, logger)
    let supervised = SupervisedClusters()
    let questions = UpstreamQuestions(loop)
    let handshake = OwnHandshake(loop)
    let discovery = Discovery(loop, questions)
    let prober = Prober(handshake, discovery, LinkProber(loop, handshake, discovery))
    let listens = GatewayListens(loop, questions)
    lists = ServerLists(loop)
    let fetcher = ListFetcher(loop, questions, lists)
    faces = SecondFaces(loop, clusters, handshake)
    names = ServerNames(journal)
    merger = CatalogueMerger(loop, clusters, lists, faces, names)
    announcer = ListAnnouncer(loop)
    overlays = Overlays(loop, lists, faces, merger, announcer)
    let looks = OwnLooks(loop, supervised, fetcher, lists, overlays, announcer)
    refresher = ListRefresher(loop, supervised, fetcher, lists, looks, overlays, announcer)
    memberships = Memberships(loop, supervised, lookup)
    supervisor = Supervisor(
      loop, clusters, supervised, memberships, prober, discovery, listens, IdleStops(loop, listens), lists, refresher,
      faces)
    retirement = Retirement(loop, clusters, faces, supervised, memberships, listens, lists)
    self.listens = listens
    self.loop = loop
    self.clusters = clusters
    faces.delegate = self
    refresher.delegate = self
    supervisor.delegate = self
    listens.delegate = self
    memberships.subscriptions.delegate = self
  }

  // MARK: Start and end

  /// Starts to look after every upstream. `observer` hears of what becomes of that, on the control loop.
  public func begin(_ observer: any FederationObserver) {
    self.observer = observer
    // Names that are known are kept for their servers from the beginning.
    if !names.known.isEmpty { mergeSoon() }
    for cluster in clusters.served { supervisor.supervise(cluster) }
  }

  /// The upstreams, and whether it is known of all what they are in the legacy era.
  public var served: [Cluster] { clusters.served }
  public var areFacesKnown: Bool { faces.areKnown }
  public var now: UInt64 { loop.now }

  /// What is about to be served is served now.
  public func mergeIfDue() { if isDue { merge() } }

  /// Says goodbye to the upstreams that the gateway talks to on its own behalf.
  public func endOwnSessions() { supervisor.endConversations() }
}

// MARK: Any thread

extension Federation {
  /// Runs `job` on the control loop.
  public func post(_ job: @escaping @Sendable (Federation) -> Void) { loop.post { job(self) } }

  public func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    loop.after(milliseconds: milliseconds, action)
  }

  /// Nothing is looked after any more: what goes away from now on stays away.
  public func end() {
    post { federation in
      federation.loop.stop()
      federation.memberships.stop()
      federation.supervisor.stop()
    }
  }

  /// An endpoint of an upstream did not take a connection, or ended one: worth a look.
  public func suspect(_ cluster: Cluster, _ endpoint: Int, _ reason: String) {
    post { $0.supervisor.doubted(cluster, endpoint, reason) }
  }

  /// The circuit breaker of an endpoint has opened.
  public func opened(_ cluster: Cluster, _ endpoint: Int) { post { $0.supervisor.opened(cluster, endpoint) } }

  /// Calls at an endpoint have ended so, on one worker.
  public func fared(_ cluster: Cluster, _ endpoint: Int, _ outcomes: OutcomeCounts) {
    post { $0.supervisor.fared(cluster, endpoint, outcomes) }
  }

  /// A legacy upstream refused a call as it would one of another era.
  public func misunderstood(_ cluster: Cluster) { raise(.misunderstood, cluster) }

  /// What was stopped has been started for somebody who needs it.
  public func woken(_ cluster: Cluster) { raise(.woken, cluster) }

  private func raise(_ event: SupervisedCluster.Event, _ cluster: Cluster) {
    post { $0.supervisor.raise(event, cluster) }
  }
}

// MARK: What calls want

extension Federation: CallsDelegate {
  /// Which resources somebody wants to hear of has changed; `settled` is called when the upstream knows.
  public func resourceInterestChanged(_ cluster: Cluster, _ settled: @escaping @Sendable () -> Void) {
    raise(.interestChanged(settled), cluster)
  }

  /// A call found that what is known of an upstream holds no more; `mended` is called when it has been looked at again.
  public func mend(_ cluster: Cluster, _ recovery: Recovery, _ mended: @escaping @Sendable () -> Void) {
    switch recovery {
    case .relistTools:
      cluster.freshness.withLock { $0.announced(.tools) }
      freshen(ListWish(kind: .tools, clusters: [cluster]), mended)
    case .rediscover: raise(.outOfDate(mended), cluster)
    }
  }

  /// Calls `done` when a server that starts or has just gone away can be called, or is not expected to be soon.
  public func awaitReturn(of cluster: Cluster, _ done: @escaping @Sendable () -> Void) {
    post { $0.supervisor.awaitReturn(of: cluster, done) }
  }

  /// Calls `done` when these lists are as fresh as they can be had in bounded time.
  public func freshen(_ wish: ListWish, _ done: @escaping @Sendable () -> Void) {
    post { $0.refresher.grant(wish, done) }
  }

  /// A list of an upstream has changed; it is marked as stale already.
  /// - Parameter own: a client's own conversation, in which it was said.
  public func listChanged(_ cluster: Cluster, _ kinds: ListKinds, own: UpstreamSession?, isTold: Bool) {
    post { $0.refresher.listChanged(cluster, kinds, own: own, isTold: isTold) }
  }

  /// A session that sees something else than the others ended.
  public func forgetOverlay(of id: SessionID) { post { $0.overlays.forget(id) } }

  /// A client of the legacy era looks at these servers. `done` is called once it is known what each of them is in that era;
  /// who calls bounds that.
  public func expectLegacy(_ view: CatalogueView, isPatient: Bool, _ done: @escaping @Sendable () -> Void) {
    post { $0.faces.expect(view, isPatient: isPatient, done) }
  }
}

// MARK: Reload

extension Federation {
  /// Goes over to other settings, on the control loop, or changes nothing. Upstreams come, go and change while calls run, and
  /// nothing that is on its way is lost: a server that changed is probed and its lists are fetched while the old one goes on
  /// serving; then the new one takes its place for new calls, and the old one is left when its last call has ended.
  public func reload(
    _ settings: Settings, _ done: @escaping @Sendable (Result<ClusterSet.Change, ClusterSet.Fault>) -> Void
  ) {
    post { federation in
      do throws(ClusterSet.Fault) {
        done(.success(try federation.reload(settings)))
      } catch {
        done(.failure(error))
      }
    }
  }

  private func reload(_ settings: Settings) throws(ClusterSet.Fault) -> ClusterSet.Change {
    let change = try clusters.adopt(settings.configuration)
    loop.adopt(settings)
    announcer.settle(atMost: settings.configuration.firstListWait.milliseconds)
    for cluster in change.wanted { supervisor.supervise(cluster) }
    supervisor.resetFailed(among: change.wanted)
    memberships.urgeAll()
    merge()
    lookForEndOfRound()
    for cluster in change.left { retirement.begin(cluster) }
    return change
  }

  /// Whether every server that there is by now has answered, well or not, in all eras that it may speak.
  private var isRoundOver: Bool {
    (clusters.served + clusters.successors.values).allSatisfy { $0.hasAnswered && !faces.isUnknown($0) }
  }

  private func lookForEndOfRound() { if announcer.isSettling, isRoundOver { announcer.settled() } }
}

// MARK: What the parts leave to it

extension Federation: SupervisionDelegate {
  public func supervise(_ cluster: Cluster) { supervisor.supervise(cluster) }

  public func retire(_ cluster: Cluster) { retirement.begin(cluster) }

  /// What the operator wants to be gone goes even if what is to come fails.
  public func promote(_ cluster: Cluster) {
    guard clusters.isSuccessor(cluster), !faces.isUnknown(cluster) else { return }
    let sameServer = clusters.formerFace(for: cluster)
    if sameServer != nil {
      guard case .ready(let profile) = cluster.health, profile.revision.era == .modern else {
        // It was not what it seemed to be: what serves goes on.
        clusters.giveUp(cluster)
        return retire(cluster)
      }
    }
    guard let former = clusters.promote(cluster) else { return }
    if let sameServer {
      faces.adopt(sameServer, of: cluster)
      return merge()
    }
    let formerFace = faces.take(from: former)
    // Its tools stay listed from the last good answer, like those of any server that fails.
    if let health = cluster.health.inheriting(former.profile) {
      lists.inherit(former, to: cluster)
      cluster.update(health)
    }
    merge()
    retire(former)
    if let formerFace { retire(formerFace) }
  }

  public var isMergeDue: Bool { isDue }

  /// A swarm of changes makes one new catalogue.
  public func mergeSoon() {
    guard !isDue else { return }
    isDue = true
    loop.after(milliseconds: Self.collecting) { [self] in mergeIfDue() }
  }

  public func merge() {
    let (changes, old) = mergeNow()
    announcer.announce(changes)
    renewOverlays(since: old, changes)
  }

  public func mergeUntold() -> Catalogues.Changes {
    let (changes, old) = mergeNow()
    renewOverlays(since: old, changes)
    return changes
  }

  private func mergeNow() -> (Catalogues.Changes, old: Catalogues) {
    isDue = false
    let (old, new) = merger.merge()
    if !new.legacy.leadsToSame(as: old.legacy) {
      memberships.subscriptions.move(from: old.legacy.clusters, to: new.legacy.clusters)
    }
    observer?.serversFared()
    return (Catalogues.Changes(new, since: old), old)
  }

  private func renewOverlays(since old: Catalogues, _ changes: Catalogues.Changes) {
    let isSame = loop.shelf.catalogues.legacy.leadsToSame(as: old.legacy)
    if !changes.legacy.isEmpty || !isSame { overlays.renew(since: old.legacy) }
  }

  /// With a turn to come, as if an upstream of another loop had told it.
  public func listsChanged(_ cluster: Cluster, _ kinds: ListKinds, isTold: Bool) {
    // At once: whoever asks for a list after what that server says next must not get the old one.
    cluster.freshness.withLock { $0.announced(kinds) }
    listChanged(cluster, kinds, own: nil, isTold: isTold)
  }

  public func endpointLost(of cluster: Cluster) {
    memberships.subscriptions.carryOver(cluster)
    memberships.urge(cluster)
  }

  public func interestChanged(_ cluster: Cluster) { resourceInterestChanged(cluster) {} }

  public func looked(at cluster: Cluster) {
    observer?.serversFared()
    lookForEndOfRound()
  }
}

/// Who hears how the upstreams fare.
public protocol FederationObserver: AnyObject {
  /// On the control loop.
  func serversFared()
}
