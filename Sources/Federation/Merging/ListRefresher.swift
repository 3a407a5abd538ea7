import Catalogue
import Clusters
import Configuration
import MCP
import ServedCatalogue
import Supervision
import Workers

/// Keeps the lists that are served as fresh as the upstreams': fetched again when an upstream tells of a change, and when
/// somebody asks for what is stale or too old. Nothing is fetched only because time passes.
final class ListRefresher: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let supervised: SupervisedClusters
  private let fetcher: ListFetcher
  private let lists: ServerLists
  private let looks: OwnLooks
  private let overlays: Overlays
  private let announcer: ListAnnouncer
  private let patience: PatienceWatch
  weak var delegate: (any SupervisionDelegate)?

  init(
    _ loop: ControlLoop, _ supervised: SupervisedClusters, _ fetcher: ListFetcher, _ lists: ServerLists,
    _ looks: OwnLooks, _ overlays: Overlays, _ announcer: ListAnnouncer
  ) {
    self.loop = loop
    self.supervised = supervised
    self.fetcher = fetcher
    self.lists = lists
    self.looks = looks
    self.overlays = overlays
    self.announcer = announcer
    patience = PatienceWatch(loop)
  }

  // MARK: Wishes

  /// Calls `done` when these lists are as fresh as they can be had in bounded time.
  func grant(_ wish: ListWish, _ done: @escaping @Sendable () -> Void) {
    guard !loop.isStopped else { return done() }
    // What was fetched meanwhile may be all that is missing.
    if delegate?.isMergeDue == true, lists.hasNews { delegate?.merge() }
    let gathering = Gathering(wish.clusters.count + wish.own.count + 1)
    let arrive = { if gathering.arrive() { done() } }
    for cluster in wish.clusters { ask(cluster, wish.kind, arrive) }
    for binding in wish.own { looks.ask(binding, wish.kind, arrive) }
    arrive()
  }

  private func ask(_ cluster: Cluster, _ kind: ListKind, _ arrive: @escaping () -> Void) {
    let age = loop.settings.listAge
    let (isFresh, isStale) = cluster.freshness.withLock {
      ($0.isFresh(kind, now: loop.now, age: age), $0.stale.contains(ListKinds(kind)))
    }
    guard !isFresh, let server = supervised[cluster], case .ready(let profile) = cluster.health,
      profile.offers(kind)
    else { return arrive() }
    switch server.refreshes.ask(kind, arrive, isStale: isStale, now: loop.now) {
    case .serve: arrive()
    case .wait: break
    case .fetch: begin(ListKinds(kind), server, profile)
    case .fetchAside:
      begin(ListKinds(kind), server, profile)
      arrive()
    }
  }

  // MARK: Announcements

  /// A list of an upstream has changed; it is marked as stale already.
  /// - Parameter own: a client's own conversation, in which it was said.
  func listChanged(_ cluster: Cluster, _ kinds: ListKinds, own: UpstreamSession?, isTold: Bool) {
    if let own { looks.lookLater(at: own, kinds) }
    guard let server = supervised[cluster] else { return }
    if isTold, own == nil {
      let isLegacy = cluster.profile?.revision.era == .legacy
      server.announcements.told(kinds, isEcho: isLegacy && cluster.isolation != .shared, now: loop.now)
    }
    // After a fetch that is under way it is seen what is stale yet.
    if kinds.isDisjoint(with: server.refreshes.underWay) { lookSoon(server) }
  }

  /// What an upstream has told to be stale is fetched soon, without anybody asking.
  func lookSoon(_ server: SupervisedCluster) {
    guard case .ready(let profile) = server.cluster.health else { return }
    let stale = stale(of: server, profile)
    guard !stale.isEmpty,
      let delay = server.announcements.lookLater(
        notBefore: server.refreshes.notBefore(stale), now: loop.now)
    else { return }
    loop.after(milliseconds: delay) { [weak server] in
      if let server { self.look(server) }
    }
  }

  private func look(_ server: SupervisedCluster) {
    server.announcements.lookIsDue()
    guard !loop.isStopped, !server.isDismissed, case .ready(let profile) = server.cluster.health else { return }
    let begun = server.refreshes.begin(stale(of: server, profile), now: loop.now)
    if !begun.isEmpty { begin(begun, server, profile) }
  }

  private func stale(of server: SupervisedCluster, _ profile: Cluster.Profile) -> ListKinds {
    let stale = server.cluster.freshness.withLock { $0.stale }
    return ListKind.allCases.reduce(into: []) { offered, kind in
      if stale.contains(ListKinds(kind)), profile.offers(kind) { offered.insert(ListKinds(kind)) }
    }
  }

  // MARK: Fetches

  private func begin(_ kinds: ListKinds, _ server: SupervisedCluster, _ profile: Cluster.Profile) {
    let owed = server.announcements.take(kinds)
    let wereStale = !server.cluster.freshness.withLock({ $0.stale }).isDisjoint(with: kinds)
    patience.begin { [self] in releaseImpatient() }
    loop.beginNow { [self] in
      let fetched = await fetcher.fetch(kinds, server, profile, .again)
      end(fetched, kinds, owed, wereStale: wereStale, server, profile)
    }
  }

  private func end(
    _ fetched: FetchedLists, _ kinds: ListKinds, _ owed: ListKinds, wereStale: Bool, _ server: SupervisedCluster,
    _ profile: Cluster.Profile
  ) {
    let cluster = server.cluster
    // It may have been looked at afresh meanwhile, or be left.
    let isCurrent = supervised[cluster] === server && cluster.profile === profile && !loop.isStopped
    var changes = Catalogues.Changes()
    if isCurrent {
      let isNew = lists.take(fetched, server, profile)
      if isNew || delegate?.isMergeDue == true {
        changes = delegate?.mergeUntold() ?? changes
      } else {
        lists.published()
      }
    }
    if !isCurrent { server.giveUpRefreshes() }
    var again: ListKinds = []
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      let isGood = !isCurrent || fetched.failures[kind] == nil
      let (released, goesOn) = server.refreshes.ended(kind, isGood: isGood, now: loop.now)
      for goOn in released { goOn() }
      if goesOn { again.insert(ListKinds(kind)) }
    }
    if !again.isEmpty { begin(again, server, profile) }
    report(fetched, server)
    guard isCurrent else { return server.announcements.giveBack(owed) }
    let catalogues = loop.shelf.catalogues
    let different = changes.kinds(of: cluster, in: catalogues)
    var equal = owed
    if fetched.failures.isEmpty {
      if !owed.isEmpty { changes.formUnion(Catalogues.Changes(owed, of: cluster, in: catalogues)) }
    } else {
      server.announcements.giveBack(owed)
      equal = []
    }
    tell(changes, different: different, equal: equal.subtracting(different), server)
    let isStaleAgain = !stale(of: server, profile).isDisjoint(with: kinds)
    if wereStale, fetched.failures.isEmpty {
      server.announcements.looked(
        wasDifferent: !different.isEmpty, isStaleAgain: isStaleAgain, now: loop.now)
    }
    if isStaleAgain { lookSoon(server) }
  }

  /// What can't be had is served as it was, which is told once. An upstream that can't be reached at all is looked at afresh.
  private func report(_ fetched: FetchedLists, _ server: SupervisedCluster) {
    if let failure = fetched.breakdown { return server.raise(.suspect(failure.text)) }
    let alias = server.cluster.alias
    for kind in ListKind.allCases {
      if fetched.pages[kind] != nil { server.missing.remove(ListKinds(kind)) }
      guard let failure = fetched.failures[kind], server.missing.insert(ListKinds(kind)).inserted else { continue }
      let isKnown = lists[server.cluster]?.pages[kind] != nil
      loop.logger.warning(
        "\(alias): its list of \(kind) \(isKnown ? "stays as it was" : "is left out"): \(failure.text)",
        metadata: ["server": "\(alias)"])
    }
  }

  /// Who waits for what takes too long goes on without it. True while somebody may wait yet.
  private func releaseImpatient() -> Bool {
    var isWaiting = false
    for server in supervised.all {
      for goOn in server.refreshes.takeImpatient(loop.now) { goOn() }
      if !server.refreshes.underWay.isEmpty { isWaiting = true }
    }
    return isWaiting
  }

  /// Fetches lists that an upstream offers. One that does not come, or with an error, is left out until somebody asks for
  /// it, as long as another has come: a server whose resources hang has tools all the same.
  func refresh(
    _ server: SupervisedCluster, _ profile: Cluster.Profile, _ kinds: ListKinds
  ) async throws(UpstreamFailure) {
    let isAlone = ListKind.allCases.count { kinds.contains(ListKinds($0)) && profile.offers($0) } < 2
    let patient = loop.settings.callTimeout
    let quick = loop.configuration.limits.probeTimeout.milliseconds
    var fetched = await fetcher.fetch(kinds, server, profile, .first(isAlone ? patient : min(patient, quick)))
    if !isAlone, fetched.isInVain {
      // It may only be slow.
      fetched = await fetcher.fetch(kinds, server, profile, .first(patient))
    }
    if let failure = fetched.breakdown ?? (fetched.isInVain ? fetched.failures.values.first : nil) { throw failure }
    lists.take(fetched, server, profile)
    report(fetched, server)
    // What they were told to be is told by the difference that it made, if any.
    server.announcements.forget(kinds)
  }

  // MARK: Telling

  private func tell(
    _ changes: Catalogues.Changes, different: ListKinds, equal: ListKinds, _ server: SupervisedCluster
  ) {
    guard
      let delay = server.announcements.tell(changes, different: different, equal: equal, now: loop.now)
    else { return }
    guard delay > 0 else { return tell(of: server, waited: false) }
    loop.after(milliseconds: delay) { [weak server] in
      if let server { self.tell(of: server, waited: true) }
    }
  }

  private func tell(of server: SupervisedCluster, waited: Bool) {
    let number = server.cluster.number
    let telling = server.announcements.takeTelling(
      waited: waited, seen: .only(upstream: number), now: loop.now)
    announcer.announce(telling.changes)
    // Who sees something else has heard of what is different for it.
    guard !telling.equal.isEmpty else { return }
    announcer.announce(ListChanges(telling.equal, ofUpstream: number), to: overlays.sessions)
  }
}
