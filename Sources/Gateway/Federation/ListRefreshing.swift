import MCP
import Reactor

/// Lists that a client asks for, and what of them may be too old.
struct ListWish: Sendable {
  let kind: ListKind
  /// The upstreams whose lists it sees.
  var clusters: [Cluster] = []
  /// The client's own conversations with some of them, which may show it other lists.
  var own: [UpstreamSession] = []
}

/// Keeps the lists that are served as fresh as the upstreams': fetched again when an upstream tells of a change, and when
/// somebody asks for what is stale or too old. Nothing is fetched only because time passes.
extension ControlPlane {
  /// Calls `done` when these lists are as fresh as they can be had in bounded time.
  nonisolated func freshen(_ wish: ListWish, _ done: @escaping @Sendable () -> Void) {
    gateway.post(to: gateway.workerCount) { _ in self.assumeIsolated { $0.grant(wish, done) } }
  }

  private func grant(_ wish: ListWish, _ done: @escaping @Sendable () -> Void) {
    guard !stopped else { return done() }
    // What was fetched meanwhile may be all that is missing.
    if mergeScheduled, !unpublished.isEmpty { merge() }
    let gathering = Gathering(wish.clusters.count + wish.own.count + 1)
    let arrive = { if gathering.arrive() { done() } }
    for cluster in wish.clusters { ask(cluster, wish.kind, arrive) }
    for binding in wish.own { ask(binding, wish.kind, arrive) }
    arrive()
  }

  private func ask(_ cluster: Cluster, _ kind: ListKind, _ arrive: @escaping () -> Void) {
    let age = gateway.settings.listAge
    let (isFresh, isStale) = cluster.freshness.withLock {
      ($0.isFresh(kind, now: worker.now, age: age), $0.stale.contains(ListKinds(kind)))
    }
    guard !isFresh, let supervisor = supervisors[cluster.id], case .ready(let profile) = cluster.health,
      profile.offers(kind)
    else { return arrive() }
    switch supervisor.refreshes.ask(kind, arrive, isStale: isStale, now: worker.now) {
    case .serve: arrive()
    case .wait: break
    case .fetch: begin(ListKinds(kind), supervisor, profile)
    case .fetchAside:
      begin(ListKinds(kind), supervisor, profile)
      arrive()
    }
  }

  // MARK: Announcements

  /// A list of an upstream has changed; it is marked as stale already.
  /// - Parameter own: a client's own conversation, in which it was said.
  nonisolated func listChanged(_ cluster: Cluster, _ kinds: ListKinds, own: UpstreamSession?, isTold: Bool = true) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { plane in
        if let own { plane.lookLater(at: own, kinds) }
        guard let supervisor = plane.supervisors[cluster.id] else { return }
        if isTold, own == nil {
          let isLegacy = cluster.profile?.revision.era == .legacy
          supervisor.announcements.told(
            kinds, isEcho: isLegacy && cluster.isolation != .shared, now: plane.worker.now)
        }
        // After a fetch that is under way it is seen what is stale yet.
        if kinds.isDisjoint(with: supervisor.refreshes.underWay) { plane.lookSoon(supervisor) }
      }
    }
  }

  /// What an upstream has told to be stale is fetched soon, without anybody asking.
  func lookSoon(_ supervisor: Supervisor) {
    guard case .ready(let profile) = supervisor.cluster.health else { return }
    let stale = stale(of: supervisor, profile)
    guard !stale.isEmpty,
      let delay = supervisor.announcements.lookLater(
        notBefore: supervisor.refreshes.notBefore(stale), now: worker.now)
    else { return }
    worker.after(milliseconds: delay) { [weak supervisor] in
      if let supervisor { self.look(supervisor) }
    }
  }

  private func look(_ supervisor: Supervisor) {
    supervisor.announcements.lookIsDue()
    guard !stopped, !supervisor.isDismissed, case .ready(let profile) = supervisor.cluster.health else { return }
    let begun = supervisor.refreshes.begin(stale(of: supervisor, profile), now: worker.now)
    if !begun.isEmpty { begin(begun, supervisor, profile) }
  }

  private func stale(of supervisor: Supervisor, _ profile: Cluster.Profile) -> ListKinds {
    let stale = supervisor.cluster.freshness.withLock { $0.stale }
    return ListKind.allCases.reduce(into: []) { offered, kind in
      if stale.contains(ListKinds(kind)), profile.offers(kind) { offered.insert(ListKinds(kind)) }
    }
  }

  // MARK: Fetches

  private func begin(_ kinds: ListKinds, _ supervisor: Supervisor, _ profile: Cluster.Profile) {
    let owed = supervisor.announcements.take(kinds)
    let wereStale = !supervisor.cluster.freshness.withLock({ $0.stale }).isDisjoint(with: kinds)
    watchPatience()
    Task.immediate(executorPreference: executor) {
      let fetched = await fetch(kinds, supervisor, profile, .again)
      end(fetched, kinds, owed, wereStale: wereStale, supervisor, profile)
    }
  }

  private func end(
    _ fetched: FetchedLists, _ kinds: ListKinds, _ owed: ListKinds, wereStale: Bool, _ supervisor: Supervisor,
    _ profile: Cluster.Profile
  ) {
    let cluster = supervisor.cluster
    // It may have been looked at afresh meanwhile, or be left.
    let isCurrent = supervisors[cluster.id] === supervisor && cluster.profile === profile && !stopped
    var changes = Catalogues.Changes()
    if isCurrent {
      let isNew = take(fetched, supervisor, profile)
      if isNew || mergeScheduled { changes = merge(tells: false) } else { published() }
    }
    if !isCurrent { for goOn in supervisor.refreshes.takeAll() { goOn() } }
    var again: ListKinds = []
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      let isGood = !isCurrent || fetched.failures[kind] == nil
      let (released, goesOn) = supervisor.refreshes.ended(kind, isGood: isGood, now: worker.now)
      for goOn in released { goOn() }
      if goesOn { again.insert(ListKinds(kind)) }
    }
    if !again.isEmpty { begin(again, supervisor, profile) }
    report(fetched, supervisor)
    guard isCurrent else { return supervisor.announcements.giveBack(owed) }
    let catalogues = gateway.catalogues
    let different = changes.kinds(of: cluster, in: catalogues)
    var equal = owed
    if fetched.failures.isEmpty {
      if !owed.isEmpty { changes.formUnion(Catalogues.Changes(owed, of: cluster, in: catalogues)) }
    } else {
      supervisor.announcements.giveBack(owed)
      equal = []
    }
    tell(changes, different: different, equal: equal.subtracting(different), supervisor)
    let isStaleAgain = !stale(of: supervisor, profile).isDisjoint(with: kinds)
    if wereStale, fetched.failures.isEmpty {
      supervisor.announcements.looked(
        wasDifferent: !different.isEmpty, isStaleAgain: isStaleAgain, now: worker.now)
    }
    if isStaleAgain { lookSoon(supervisor) }
  }

  /// What can't be had is served as it was, which is told once. An upstream that can't be reached at all is looked at afresh.
  func report(_ fetched: FetchedLists, _ supervisor: Supervisor) {
    if let failure = fetched.breakdown { return supervisor.raise(.suspect(failure.text)) }
    let alias = supervisor.cluster.alias
    for kind in ListKind.allCases {
      if fetched.pages[kind] != nil { supervisor.missing.remove(ListKinds(kind)) }
      guard let failure = fetched.failures[kind], supervisor.missing.insert(ListKinds(kind)).inserted else { continue }
      let isKnown = lists[supervisor.cluster.id]?.pages[kind] != nil
      logger.warning(
        "\(alias): its list of \(kind) \(isKnown ? "stays as it was" : "is left out"): \(failure.text)",
        metadata: ["server": "\(alias)"])
    }
  }

  /// Who waits for what takes too long goes on without it.
  func watchPatience() {
    guard !isWatchingPatience else { return }
    isWatchingPatience = true
    worker.after(milliseconds: 200) { self.releaseImpatient() }
  }

  private func releaseImpatient() {
    isWatchingPatience = false
    var isWaiting = releaseImpatientLooks()
    for supervisor in supervisors.values {
      for goOn in supervisor.refreshes.takeImpatient(worker.now) { goOn() }
      if !supervisor.refreshes.underWay.isEmpty { isWaiting = true }
    }
    if isWaiting { watchPatience() }
  }

  // MARK: Telling

  /// Sessions are of the legacy era, listens of the modern one.
  func announce(_ changes: Catalogues.Changes) {
    gateway.announce(forSessions: changes.legacy, forListens: changes.modern)
  }

  private func tell(
    _ changes: Catalogues.Changes, different: ListKinds, equal: ListKinds, _ supervisor: Supervisor
  ) {
    guard
      let delay = supervisor.announcements.tell(changes, different: different, equal: equal, now: worker.now)
    else { return }
    guard delay > 0 else { return tell(of: supervisor, waited: false) }
    worker.after(milliseconds: delay) { [weak supervisor] in
      if let supervisor { self.tell(of: supervisor, waited: true) }
    }
  }

  private func tell(of supervisor: Supervisor, waited: Bool) {
    let number = supervisor.cluster.number
    let telling = supervisor.announcements.takeTelling(
      waited: waited, seen: .only(upstream: number), now: worker.now)
    announce(telling.changes)
    // Who sees something else has heard of what is different for it.
    guard !telling.equal.isEmpty, !overlays.isEmpty else { return }
    let others = overlays.keys.compactMap(gateway.sessions.find)
    worker.announce(ListChanges(telling.equal, ofUpstream: number), to: others)
  }
}

extension GatewayState {
  /// Calls `done` on the control loop once each of these loops has gone through what its sockets had ready now.
  func pass(_ loops: Set<Int>, _ done: @escaping @Sendable () -> Void) {
    guard !loops.isEmpty else { return done() }
    let gathering = Gathering(loops.count)
    for loop in loops { pass(loop, turns: 2) { if gathering.arrive() { done() } } }
  }

  /// A message that a loop sends itself comes with what is ready by then, and before or after it; the one after that
  /// comes after all of it.
  private func pass(_ loop: Int, turns: Int, _ done: @escaping @Sendable () -> Void) {
    post(to: loop) { _ in
      if turns > 0 { self.pass(loop, turns: turns - 1, done) } else { done() }
    }
  }
}
