import Clusters
import MCP
import Membership
import Reactor
import Supervision
import Upstream
import UpstreamClient
import UpstreamHealth
import Workers

/// Looks after clusters: finds out what each is, fetches its lists, hears of changes, and brings back what went away. No
/// worker ever waits for it, though a list request may be parked until it has fetched what is stale.
final class Supervisor: @unchecked Sendable {  // touched on the control loop alone
  /// A legacy upstream that refuses calls is asked what it speaks no more often than this, in milliseconds.
  private static let upgradeInterval: UInt64 = 5000

  private let loop: ControlLoop
  private let clusters: ClusterSet
  private let supervised: SupervisedClusters
  private let memberships: Memberships
  private let prober: Prober
  private let discovery: Discovery
  private let listens: GatewayListens
  private let idleStops: IdleStops
  private let lists: ServerLists
  private let refresher: ListRefresher
  private let faces: SecondFaces
  weak var delegate: (any SupervisionDelegate)? {
    didSet { idleStops.delegate = delegate }
  }

  init(
    _ loop: ControlLoop, _ clusters: ClusterSet, _ supervised: SupervisedClusters, _ memberships: Memberships,
    _ prober: Prober, _ discovery: Discovery, _ listens: GatewayListens, _ idleStops: IdleStops, _ lists: ServerLists,
    _ refresher: ListRefresher, _ faces: SecondFaces
  ) {
    self.loop = loop
    self.clusters = clusters
    self.supervised = supervised
    self.memberships = memberships
    self.prober = prober
    self.discovery = discovery
    self.listens = listens
    self.idleStops = idleStops
    self.lists = lists
    self.refresher = refresher
    self.faces = faces
  }

  /// Starts to look after a cluster, unless somebody does.
  func supervise(_ cluster: Cluster) {
    guard !loop.isStopped, supervised[cluster] == nil else { return }
    let server = supervised.add(cluster)
    loop.begin { await self.supervise(server) }
  }

  func raise(_ event: SupervisedCluster.Event, _ cluster: Cluster) {
    if let server = supervised[cluster] { return server.raise(event) }
    // It was left meanwhile: nobody may wait for it.
    var news = SupervisedCluster.News()
    news.add(event)
    news.settle()
  }

  /// What goes away from now on stays away.
  func stop() {
    for server in supervised.all {
      listens.stop(server)
      server.raise(.stop)
    }
  }

  /// Says goodbye to the upstreams that the gateway talks to on its own behalf.
  func endConversations() {
    for server in supervised.all {
      if let binding = server.binding { loop.upstream.end(binding) }
    }
  }

  // MARK: One life

  private func isOver(_ server: SupervisedCluster) -> Bool { loop.isStopped || server.isDismissed }

  /// Probe, fetch, watch, and again after it went away.
  private func supervise(_ server: SupervisedCluster) async {
    defer {
      if server.isDismissed { lists.forget(server.cluster) }
      server.giveUpRefreshes()
    }
    while !isOver(server) {
      var isFound = false
      do throws(UpstreamFailure) {
        server.life?.begins(now: loop.now)
        let profile = try await find(server)
        isFound = true
        defer {
          listens.stop(server)
          server.stopWatch()
        }
        isBack(server, profile)
        server.startWatch(loop, delegate)
        try await refresher.refresh(server, profile, .all)
        isReady(server, profile)
        try await watch(server, profile)
      } catch {
        guard !isOver(server), !isGivenUp(server, error) else { break }
        // That one endpoint went away is no news of the others.
        if isFound, server.cluster.hasSeveralEndpoints, server.cluster.isReady {
          await loop.pause(AbsenceState.shortest)
        } else {
          await setBack(server, error)
        }
      }
    }
    server.clear()
    server.settleProbe()
    server.settleReturn()
  }

  /// Returns when it is to be looked at again.
  private func setBack(_ server: SupervisedCluster, _ failure: UpstreamFailure) async {
    var restart: UInt64?
    switch server.life?.ended(now: loop.now) ?? .alive {
    case .failed(let why):
      hasFailed(server, why)
      return await server.awaitReset(loop)
    case .again(let delay): restart = delay + 1
    case .alive: break
    }
    if case .lookAgain(let pause) = server.absence.isGone(grace: server.cluster.restartGrace, now: loop.now) {
      isAway(server, failure)
      if server.cluster.isSecondFace { translateMeanwhile(server, failure) }
      return await server.pause(loop, restart ?? pause)
    }
    let usual = server.backoff.failed()
    let delay = restart ?? usual
    isDown(server, failure, for: delay)
    await server.pause(loop, delay)
  }

  /// What has failed of these servers is tried again, in either era.
  func resetFailed(among wanted: [Cluster]) {
    for server in supervised.all where wanted.contains(where: { $0.stakeID == server.cluster.stakeID }) {
      if case .failed = server.cluster.health { server.raise(.reset) }
    }
  }

  /// Calls have found that an endpoint can't be reached.
  func doubted(_ cluster: Cluster, _ endpoint: Int, _ reason: String) { supervised[cluster]?.doubted(endpoint, reason) }

  func opened(_ cluster: Cluster, _ endpoint: Int) { supervised[cluster]?.opened(endpoint) }

  func fared(_ cluster: Cluster, _ endpoint: Int, _ outcomes: OutcomeCounts) {
    supervised[cluster]?.fared(endpoint, outcomes)
  }

  /// Calls `done` as soon as it is known whether a cluster can be called.
  func awaitReturn(of cluster: Cluster, _ done: @escaping @Sendable () -> Void) {
    if let server = supervised[cluster] { server.awaitReturn(done) } else { done() }
  }

  /// What it turned out to be.
  private func find(_ server: SupervisedCluster) async throws(UpstreamFailure) -> Cluster.Profile {
    let profile = try await probe(server)
    server.forgetDoubts()
    if server.mayBeUpgraded {
      server.mayBeUpgraded = false
      lookForUpgrade(server.cluster)
    }
    faces.found(profile, of: server.cluster)
    // Listened to before it is fetched, so that no change falls between the two.
    await listens.start(server, profile)
    return profile
  }

  /// It went away and speaks again as it did: calls need not wait for its lists, which may have changed or not.
  private func isBack(_ server: SupervisedCluster, _ profile: Cluster.Profile) {
    let cluster = server.cluster
    guard case .comingBack(_, let former?) = cluster.health, former.transport == profile.transport,
      former.revision == profile.revision
    else { return }
    cluster.update(.ready(profile))
    server.settleReturn()
  }

  /// It went away a moment ago.
  private func isAway(_ server: SupervisedCluster, _ failure: UpstreamFailure) {
    let cluster = server.cluster
    if !cluster.isComingBack {
      loop.logger.info(
        "\(cluster.alias) went away and is awaited: \(failure.text)", metadata: ["server": "\(cluster.alias)"])
    }
    cluster.update(.comingBack(reason: failure.text, cluster.profile))
    server.clear()
    server.settleProbe()
  }

  /// A face that takes longer to be back than it is awaited for is down even if it is still being started: its clients have the
  /// server by translation until then.
  private func translateMeanwhile(_ server: SupervisedCluster, _ failure: UpstreamFailure) {
    let cluster = server.cluster
    loop.after(milliseconds: cluster.restartGrace) { [weak self] in
      guard let self, cluster.isComingBack, !isOver(server) else { return }
      isGone(server, .down(reason: failure.text, retryAt: loop.now, cluster.profile))
    }
  }

  /// Looks at one endpoint after the other until one answers: that one leads from then on.
  private func probe(_ server: SupervisedCluster) async throws(UpstreamFailure) -> Cluster.Profile {
    let cluster = server.cluster
    guard cluster.hasSeveralEndpoints else {
      let profile = try await prober.probe(server)
      _ = cluster.first.standing.breaker.reset(now: loop.now)
      return profile
    }
    await memberships.settle(cluster)
    var failure: UpstreamFailure?
    cluster.isHurried = server.backoff.failures.isMultiple(of: 2)
    for index in cluster.candidates(now: loop.now) {
      cluster.leader = index
      do throws(UpstreamFailure) {
        let profile = try await prober.probe(server)
        _ = cluster.endpoints[index].standing.breaker.reset(now: loop.now)
        return profile
      } catch {
        failure = failure ?? error
        guard !isOver(server) else { break }
      }
    }
    memberships.urge(cluster)
    throw failure ?? UpstreamFailure("it has no endpoint")
  }

  private func isReady(_ server: SupervisedCluster, _ profile: Cluster.Profile) {
    let cluster = server.cluster
    let cameBack = cluster.profile == nil || server.backoff.failures > 0 || server.absence.isAwaited
    server.backoff.succeeded()
    server.life?.answered()
    server.absence.isUseful(now: loop.now)
    cluster.update(.ready(profile))
    server.settleReturn()
    if cluster.opensAhead { loop.upstream.shared.mail.sendToWorkers(.openAhead(cluster)) }
    faces.noteFare(of: cluster)
    delegate?.promote(cluster)
    if cameBack {
      let how = "\(profile.transport), \(profile.revision.label)"
      loop.logger.info(
        "\(cluster.alias) is ready\(cluster.isSecondFace ? " in the legacy era too" : ""): \(how)",
        metadata: ["server": "\(cluster.alias)"])
    }
    let isLast = clusters.served.allSatisfy(\.hasAnswered) && faces.areKnown
    if isLast || !server.reprobed.isEmpty { delegate?.merge() } else { delegate?.mergeSoon() }
    server.settleProbe()
    faces.answered(cluster)
    delegate?.looked(at: cluster)
    refresher.lookSoon(server)
  }

  private func isDown(_ server: SupervisedCluster, _ failure: UpstreamFailure, for delay: UInt64) {
    let cluster = server.cluster
    if server.backoff.failures == 1 { tellFailure(of: cluster, failure) }
    isGone(server, .down(reason: failure.text, retryAt: loop.now + delay, cluster.profile))
  }

  private func hasFailed(_ server: SupervisedCluster, _ why: String) {
    let cluster = server.cluster
    loop.logger.error(
      "\(cluster.alias) has failed: \(why); it is not started again before a reload (SIGHUP)",
      metadata: ["server": "\(cluster.alias)"])
    isGone(server, .failed(reason: "\(why); a reload (SIGHUP) tries again", cluster.profile))
  }

  /// Calls to it fail from now on, and its tools stay listed.
  private func isGone(_ server: SupervisedCluster, _ health: Cluster.Health) {
    let cluster = server.cluster
    cluster.update(health)
    server.settleReturn()
    faces.noteFare(of: cluster)
    if lists.age(cluster) { delegate?.mergeSoon() }
    server.clear()
    server.settleProbe()
    delegate?.promote(cluster)
    faces.answered(cluster)
    delegate?.looked(at: cluster)
  }

  /// Whether it is no second face of a server after all, and is looked after no longer.
  private func isGivenUp(_ server: SupervisedCluster, _ failure: UpstreamFailure) -> Bool {
    guard server.cluster.isSecondFace else { return false }
    switch failure.meaning {
    case .refusal:
      faces.refused(server.cluster, failure.text)
      return true
    case .silence: return faces.fellSilent(server.cluster, failure.text)
    case .unavailable, .passing: return false
    }
  }

  private func tellFailure(of cluster: Cluster, _ failure: UpstreamFailure) {
    var era = ""
    if cluster.isSecondFace {
      // That the server is gone is told once.
      if let server = faces.server(of: cluster), case .down = server.health { return }
      era = " in the legacy era"
    }
    loop.logger.warning(
      "\(cluster.alias) is not available\(era): \(failure.text)", metadata: ["server": "\(cluster.alias)"])
  }

  // MARK: News

  /// Waits for news of an upstream that is ready, and acts on it. Returns when it should be looked at afresh, and
  /// throws when it went away.
  private func watch(_ server: SupervisedCluster, _ profile: Cluster.Profile) async throws(UpstreamFailure) {
    idleStops.arm(server)
    while !isOver(server) {
      let news = await server.next()
      var unsettled = news.settled
      server.reprobed += news.reprobed
      defer { for settled in unsettled { settled() } }
      if news.stops { return }
      if let reason = news.suspicion { throw UpstreamFailure(reason) }
      if news.isLeaderLost { return }
      if !news.reprobed.isEmpty { return }
      if news.isMisunderstood { isMisunderstood(server) }
      if news.isIdle {
        if await idleStops.stop(server, profile) {
          guard let waiting = try await idleStops.awaitNeed(server) else { return }
          unsettled += waiting
          try await isNeeded(server, profile)
        }
        idleStops.arm(server)
      }
      if !unsettled.isEmpty {
        await listens.settle(server, profile)
        for settled in unsettled { settled() }
        unsettled = []
      }
      if news.streamEnded {
        // A modern upstream is listened to before it is looked at, so that no change falls between the two. A legacy one
        // may have lost its session with the stream: looking at it opens another.
        if profile.revision.era == .modern { await listens.startAgain(server, profile) }
        // What was said while nobody listened is lost: look again.
        try await refresher.refresh(server, profile, .all)
        delegate?.mergeSoon()
        if profile.revision.era == .legacy { await listens.startAgain(server, profile) }
      }
    }
  }

  /// What was stopped is started again for somebody. It may list something else by now.
  private func isNeeded(_ server: SupervisedCluster, _ profile: Cluster.Profile) async throws(UpstreamFailure) {
    await idleStops.start(server, profile)
    try await refresher.refresh(server, profile, .all)
    delegate?.mergeSoon()
  }

  /// It refused a call as a server of another era would.
  private func isMisunderstood(_ server: SupervisedCluster) {
    guard loop.now >= server.askedForUpgrade + Self.upgradeInterval else { return }
    server.askedForUpgrade = loop.now
    if server.cluster.isSecondFace {
      faces.lookForRefusal(server.cluster)
    } else {
      lookForUpgrade(server.cluster)
    }
  }

  /// Where a legacy server speaks the modern era too, what runs with it goes on: another cluster is looked at, and takes its
  /// place for clients of the modern era.
  private func lookForUpgrade(_ cluster: Cluster) {
    loop.begin { [self] in
      guard await discovery.isUpgraded(cluster), !loop.isStopped, let next = clusters.successor(of: cluster) else {
        return
      }
      supervise(next)
    }
  }
}
