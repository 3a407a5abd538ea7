import Configuration
import Logging
import MCP
import Reactor
import Routing
import Wire

/// Looks after the upstreams on the control loop: finds out what each is, fetches its lists, merges them into the
/// catalogue, hears of changes, and brings back what went away. No worker ever waits for it, though a list request may be
/// parked until it has fetched what is stale.
actor ControlPlane {
  nonisolated let executor: LoopExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

  let gateway: GatewayState
  /// The control loop's own worker: no clients, but calls and streams toward upstreams like any other.
  nonisolated let worker: Worker
  let logger: Logger
  /// The upstreams that are served, in the order of configuration.
  var clusters: [Cluster]
  /// Those that take another's place as soon as they have answered, by the number of both.
  var successors: [Int: Cluster] = [:]
  var roster: Roster
  /// Who looks after each upstream, and its lists; by the id of the cluster.
  var supervisors: [Int: Supervisor] = [:]
  var lists: [Int: UpstreamLists] = [:]
  /// What servers are for clients of the legacy era besides, by the id of the cluster.
  var faces: [Int: SecondFace] = [:]
  var faceWaiters: [FaceWaiter] = []
  /// What some clients see differently.
  var overlays: [SessionID: Overlay] = [:]
  /// Looks at lists of clients' own conversations, and who waits for them.
  var ownLooks: [ObjectIdentifier: OwnLook] = [:]
  /// What was fetched and is served with the next catalogue.
  var unpublished: [FetchedLists.Entry] = []
  var isWatchingPatience = false
  /// That of the overlay that has changed last.
  var overlayTurn: UInt64 = 0
  /// What upstreams were last known to call their own, by alias, and where that is kept for the next start.
  private var known: [String: KnownNames]
  private let journal: NameJournal?
  /// Resources that two servers claim, as they were told last.
  private var conflicts: [ResourceConflict] = []
  private(set) var mergeScheduled = false
  private(set) var stopped = false
  /// When clients are let in, and what is called then; nil once that is settled.
  private var doors: Doors?
  private var openDoors: (@Sendable () -> Void)?
  private var isFaceWaitBegun = false
  private var relief: Relief?

  init(gateway: GatewayState, roster: Roster, worker: WorkerHandle, journal: NameJournal? = nil, logger: Logger) {
    self.gateway = gateway
    self.roster = roster
    clusters = gateway.clusters
    known = journal?.names ?? [:]
    self.journal = journal
    self.worker = worker.unconfined
    self.logger = logger
    executor = worker.executor
  }

  /// Starts to look after every upstream, on the control loop. `openDoors` is called once, when every upstream has
  /// answered or `first_list_wait` is over and nothing that `relief` needs is missing; or else what that says.
  nonisolated func begin(_ relief: Relief? = nil, _ openDoors: @escaping @Sendable () -> Void) {
    gateway.post(to: gateway.workerCount) { _ in self.assumeIsolated { $0.start(relief, openDoors) } }
  }

  private func start(_ relief: Relief?, _ openDoors: @escaping @Sendable () -> Void) {
    self.openDoors = openDoors
    self.relief = relief
    doors = Doors(needed: relief?.servers ?? [])
    spawn {
      await pause(gateway.configuration.firstListWait.milliseconds)
      if mergeScheduled { merge() }
      doors?.listWaitEnded()
      letClientsIn()
    }
    if let relief {
      spawn {
        await pause(relief.patience)
        doors?.patienceEnded()
        letClientsIn()
      }
    }
    // Names that are known are kept for their servers from the beginning.
    if !known.isEmpty { scheduleMerge(now: false) }
    for cluster in clusters { look(after: cluster) }
  }

  /// Nobody serves in this process's place any more: no server is waited for on that account.
  nonisolated func relievesNobody() {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { plane in
        plane.doors?.needNobody()
        plane.letClientsIn()
      }
    }
  }

  /// Starts to look after an upstream, unless somebody does.
  func look(after cluster: Cluster) {
    guard !stopped, supervisors[cluster.id] == nil else { return }
    let supervisor = Supervisor(cluster)
    supervisors[cluster.id] = supervisor
    spawn { await supervise(supervisor) }
  }

  /// Lets clients in if it is time.
  private func letClientsIn() {
    guard let doors, let openDoors else { return }
    let down = clusters.filter { if case .ready = $0.health { false } else { true } }.map(\.alias)
    let haveAnswered = clusters.allSatisfy(\.hasAnswered)
    let action = doors.look(down: Set(down), allHaveAnswered: haveAnswered, areFacesKnown: allHaveAnswered)
    if action == .wait {
      // Where another process serves meanwhile nobody is held up.
      if haveAnswered, relief == nil { boundFaceWait() }
      return
    }
    let relief = relief
    self.doors = nil
    self.openDoors = nil
    self.relief = nil
    if case .giveUp(let missing) = action { relief?.gaveUp(missing) } else { openDoors() }
  }

  /// For how long clients are kept out only because of what servers are in the legacy era.
  private static var faceWait: UInt64 { 1000 }

  private func boundFaceWait() {
    guard !isFaceWaitBegun else { return }
    isFaceWaitBegun = true
    spawn {
      await pause(Self.faceWait)
      if mergeScheduled { merge() }
      doors?.faceWaitEnded()
      letClientsIn()
    }
  }

  /// Nothing is looked after any more: what goes away from now on stays away.
  nonisolated func end() {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { plane in
        plane.stopped = true
        for supervisor in plane.supervisors.values {
          plane.stopListening(supervisor)
          supervisor.raise(.stop)
        }
      }
    }
  }

  /// Says goodbye to the upstreams that the gateway talks to on its own behalf. On the control loop.
  nonisolated func endOwnSessions() {
    assumeIsolated { plane in
      for supervisor in plane.supervisors.values {
        if let binding = supervisor.binding { plane.worker.upstream.end(binding) }
      }
    }
  }

  // MARK: News from workers

  /// An upstream did not take a connection, or ended one: worth a look.
  nonisolated func suspect(_ cluster: Cluster, _ reason: String) {
    tell(cluster, .suspect(reason))
  }

  nonisolated func linkDied(_ cluster: Cluster, _ reason: String) {
    tell(cluster, .suspect(reason))
  }

  /// Which resources somebody wants to hear of has changed; `settled` is called when the upstream knows.
  nonisolated func resourceInterestChanged(_ cluster: Cluster, _ settled: @escaping @Sendable () -> Void) {
    tell(cluster, .interestChanged(settled))
  }

  /// A legacy upstream refused a call as it would one of another era.
  nonisolated func misunderstood(_ cluster: Cluster) {
    tell(cluster, .misunderstood)
  }

  /// A call found that what is known of an upstream holds no more; `mended` is called when it has been looked at again.
  nonisolated func mend(_ cluster: Cluster, _ recovery: Recovery, _ mended: @escaping @Sendable () -> Void) {
    switch recovery {
    case .relistTools:
      cluster.freshness.withLock { $0.announced(.tools) }
      freshen(ListWish(kind: .tools, clusters: [cluster]), mended)
    case .rediscover: tell(cluster, .outOfDate(mended))
    }
  }

  nonisolated func tell(_ cluster: Cluster, _ event: Supervisor.Event) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { $0.raise(event, cluster) }
    }
  }

  private func raise(_ event: Supervisor.Event, _ cluster: Cluster) {
    if let supervisor = supervisors[cluster.id] { return supervisor.raise(event) }
    // It was left meanwhile: nobody may wait for it.
    var news = Supervisor.News()
    news.add(event)
    news.settle()
  }

  // MARK: Supervision

  /// One upstream's life: probe, fetch, watch, and again after it went away.
  private func supervise(_ supervisor: Supervisor) async {
    let cluster = supervisor.cluster
    defer {
      if supervisor.isDismissed { lists[cluster.id] = nil }
      for goOn in supervisor.refreshes.takeAll() { goOn() }
    }
    while !stopped, !supervisor.isDismissed {
      do throws(UpstreamFailure) {
        let profile = try await probe(supervisor)
        found(profile, of: cluster)
        // Listened to before it is fetched, so that no change falls between the two.
        await startListening(supervisor, profile)
        defer { stopListening(supervisor) }
        try await refresh(supervisor, profile, .all)
        let cameBack = cluster.profile == nil || supervisor.backoff.failures > 0
        supervisor.backoff.succeeded()
        cluster.update(.ready(profile))
        noteFare(of: cluster)
        promote(cluster)
        if cameBack {
          let how = "\(profile.transport), \(profile.revision.label)"
          logger.info(
            "\(cluster.alias) is ready\(cluster.isSecondFace ? " in the legacy era too" : ""): \(how)",
            metadata: ["server": "\(cluster.alias)"])
        }
        scheduleMerge(now: allHaveAnswered || !supervisor.reprobed.isEmpty || cluster.isSecondFace)
        supervisor.settleProbe()
        answered(cluster)
        lookSoon(supervisor)
        try await watch(supervisor, profile)
      } catch {
        guard !stopped, !supervisor.isDismissed else { break }
        if error.meaning == .refusal, cluster.isSecondFace {
          refused(cluster, error.text)
          break
        }
        if error.meaning == .silence, cluster.isSecondFace, fellSilent(cluster, error.text) { break }
        let delay = supervisor.backoff.failed()
        if supervisor.backoff.failures == 1 { tellFailure(of: cluster, error) }
        cluster.update(.down(reason: error.text, retryAt: worker.now + delay, cluster.profile))
        noteFare(of: cluster)
        if lists[cluster.id]?.isFresh == true {
          // Listed as before, but no longer to be kept.
          lists[cluster.id]?.isFresh = false
          scheduleMerge(now: false)
        }
        supervisor.clear()
        supervisor.settleProbe()
        promote(cluster)
        // The last one that the first list waits for, and it has none.
        if doors != nil, allHaveAnswered { merge() }
        answered(cluster)
        await pause(delay)
      }
    }
    supervisor.clear()
    supervisor.settleProbe()
  }

  private func tellFailure(of cluster: Cluster, _ failure: UpstreamFailure) {
    var era = ""
    if cluster.isSecondFace {
      // That the server is gone is told once.
      if let server = server(of: cluster), case .down = server.health { return }
      era = " in the legacy era"
    }
    logger.warning(
      "\(cluster.alias) is not available\(era): \(failure.text)", metadata: ["server": "\(cluster.alias)"])
  }

  private var allHaveAnswered: Bool { clusters.allSatisfy { $0.hasAnswered && !isFaceUnknown(of: $0) } }

  /// Begins what goes on by itself, on the control loop from its first line to its last: a task without that preference is
  /// resumed on a thread of the system's pool after each pause, only to be sent on from there.
  nonisolated func spawn(
    @_inheritActorContext @_implicitSelfCapture _ work: sending @escaping @isolated(any) () async -> Void
  ) {
    Task(executorPreference: executor, operation: work)
  }

  func pause(_ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      worker.after(milliseconds: milliseconds) { continuation.resume() }
    }
  }

  /// A legacy upstream that refuses calls is asked what it speaks no more often than this.
  private static var upgradeInterval: UInt64 { 5000 }

  /// Waits for news of an upstream that is ready, and acts on it. Returns when it should be looked at afresh, and
  /// throws when it went away.
  private func watch(_ supervisor: Supervisor, _ profile: Cluster.Profile) async throws(UpstreamFailure) {
    while !stopped, !supervisor.isDismissed {
      let news = await supervisor.next()
      var unsettled = news.settled
      supervisor.reprobed += news.reprobed
      defer { for settled in unsettled { settled() } }
      if news.stops { return }
      if let reason = news.suspicion { throw UpstreamFailure(reason) }
      if !news.reprobed.isEmpty { return }
      if news.isMisunderstood, worker.now >= supervisor.askedForUpgrade + Self.upgradeInterval {
        supervisor.askedForUpgrade = worker.now
        spawn {
          if supervisor.cluster.isSecondFace {
            await lookForRefusal(supervisor.cluster)
          } else {
            await lookForUpgrade(supervisor)
          }
        }
      }
      if !unsettled.isEmpty {
        await settleInterests(supervisor, profile)
        for settled in unsettled { settled() }
        unsettled = []
      }
      if news.streamEnded {
        // A modern upstream is listened to before it is looked at, so that no change falls between the two. A legacy one
        // may have lost its session with the stream: looking at it opens another.
        if profile.revision.era == .modern { await listenAgain(supervisor, profile) }
        // What was said while nobody listened is lost: look again.
        try await refresh(supervisor, profile, .all)
        scheduleMerge(now: false)
        if profile.revision.era == .legacy { await listenAgain(supervisor, profile) }
      }
    }
  }

  private func listenAgain(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    stopListening(supervisor)
    await startListening(supervisor, profile)
    makeUpForSilence(supervisor)
  }

  // MARK: The catalogue

  /// Merges soon, or at once: a swarm of changes makes one new catalogue.
  private func scheduleMerge(now: Bool) {
    guard !now else {
      merge()
      return
    }
    guard !mergeScheduled else { return }
    mergeScheduled = true
    spawn {
      await pause(50)
      if mergeScheduled { merge() }
    }
  }

  /// - Parameter tells: clients are told at once of what is different for them; else the caller sees to that.
  @discardableResult
  func merge(tells: Bool = true) -> Catalogues.Changes {
    mergeScheduled = false
    let old = gateway.catalogues
    let new = mergedCatalogues().keeping(old)
    var told = Set(old.problems)
    for problem in new.problems where told.insert(problem).inserted { logger.warning("\(problem)") }
    if !new.areSame(as: old) {
      gateway.publish(new)
      tellConflicts(of: new)
      remember(new.modern)
    }
    published()
    if !new.legacy.leadsToSame(as: old.legacy) {
      moveSubscriptions(from: old.legacy.clusters, to: new.legacy.clusters)
    }
    letClientsIn()
    // Each client is told of what its era sees: sessions are of the legacy one, listens of the modern one.
    let changed = Catalogues.Changes(new, since: old)
    if tells { announce(changed) }
    if !changed.legacy.isEmpty || !new.legacy.leadsToSame(as: old.legacy) { renewOverlays(since: old.legacy) }
    return changed
  }

  /// Keeps the names of servers that have answered for the next start, and forgets those of servers that are gone.
  private func remember(_ served: ServedCatalogue) {
    guard let journal else { return }
    for (place, cluster) in served.clusters.enumerated() where lists[cluster.id]?.isFresh == true && !cluster.isEmbedded
    {
      remember(KnownNames(of: place, in: served.catalogue), of: cluster.alias, in: journal)
    }
    for alias in Set(known.keys).subtracting(served.clusters.map(\.alias)) {
      remember(KnownNames(), of: alias, in: journal)
    }
  }

  private func remember(_ names: KnownNames, of alias: String, in journal: NameJournal) {
    guard names != known[alias] ?? KnownNames() else { return }
    known[alias] = names.isEmpty ? nil : names
    journal.keep(names, of: alias)
  }

  /// Each is told once, for as long as it lasts.
  private func tellConflicts(of served: Catalogues) {
    var found: [ResourceConflict] = []
    for catalogue in served.each { found += catalogue.routes.conflicts().filter { !found.contains($0) } }
    for conflict in found where !conflicts.contains(conflict) { logger.warning("\(conflict)") }
    conflicts = found
    gateway.countConflicts(served.problems.count + found.count)
  }

  private func mergedCatalogues() -> Catalogues {
    let modern = merged(lists, .modern)
    guard clusters.contains(where: { faces[$0.id]?.cluster != nil }) else { return Catalogues(modern) }
    return Catalogues(legacy: merged(lists, .legacy), modern: modern)
  }

  /// The catalogue that lists, by the id of their cluster, make together for clients of an era.
  /// - Parameter lookedAt: when those of a client's own were looked at, by the same.
  func merged(_ lists: [Int: UpstreamLists], _ era: Era, lookedAt: [Int: UInt64] = [:]) -> ServedCatalogue {
    let called = era == .legacy ? legacyClusters : clusters
    let reserved = clusters.map { reservedNames(of: $0, for: era, lists) }
    let promising = era == .legacy ? Set(clusters.filter(isFacePromised).map(\.number)) : []
    return ServedCatalogue.merge(
      called.map { lists[$0.id] }, called, gateway.configuration, known: known, reserved: reserved,
      promising: promising, lookedAt: lookedAt)
  }

  /// What a server calls its own in the other era. Both catalogues keep the names of both eras for it, so that a name means
  /// the same to all clients; as long as one era is not known, what was known of it last.
  private func reservedNames(of cluster: Cluster, for era: Era, _ lists: [Int: UpstreamLists]) -> KnownNames {
    guard let face = faces[cluster.id], face.state.isOpen || face.state.isUntried else { return KnownNames() }
    let other = era == .legacy ? cluster : face.cluster
    if let other, let listed = lists[other.id] { return KnownNames(of: listed) }
    return known[cluster.alias] ?? KnownNames()
  }
}

/// Why an upstream can't be used now, for people.
struct UpstreamFailure: Error, Sendable {
  enum Meaning: Sendable {
    /// It can't be used now.
    case unavailable
    /// It does not speak so, until something about it changes.
    case refusal
    /// Its process or connection has ended on `initialize`, or has said nothing to it.
    case silence
    /// It speaks, but not on this now: no reason to look at it afresh.
    case passing
  }

  let text: String
  let meaning: Meaning

  init(_ text: String, _ meaning: Meaning = .unavailable) {
    self.text = text
    self.meaning = meaning
  }
}

/// One upstream's place in the control plane: what has happened to it and who waits for that. Confined to the actor.
final class Supervisor {
  enum Event {
    /// Which resources somebody wants to hear of; who said so waits until the upstream knows.
    case interestChanged(@Sendable () -> Void)
    case streamEnded
    /// It may speak another revision by now; who said so waits for another look.
    case outOfDate(@Sendable () -> Void)
    /// A legacy upstream did not understand a call.
    case misunderstood
    case suspect(String)
    case stop
  }

  /// What has happened since the last look.
  struct News {
    var settled: [@Sendable () -> Void] = []
    var streamEnded = false
    var reprobed: [@Sendable () -> Void] = []
    var isMisunderstood = false
    var suspicion: String?
    var stops = false

    /// Whoever waits for something of it goes on.
    func settle() {
      for settled in settled + reprobed { settled() }
    }

    mutating func add(_ event: Event) {
      switch event {
      case .interestChanged(let done): settled.append(done)
      case .streamEnded: streamEnded = true
      case .outOfDate(let done): reprobed.append(done)
      case .misunderstood: isMisunderstood = true
      case .suspect(let reason): suspicion = suspicion ?? reason
      case .stop: stops = true
      }
    }
  }

  let cluster: Cluster
  /// The gateway's own conversation with it.
  var binding: UpstreamSession?
  /// The connection of the gateway's own stream of a legacy session.
  var stream: ConnectionID?
  /// That which ended last, to be taken up where it did.
  var past: UpstreamStream?
  /// The gateway's own listens.
  var listens = OwnListens()
  /// When one of these was opened, and when the next is if it ends.
  var listeningSince: UInt64 = 0
  var listenBackoff = Backoff()
  var backoff = Backoff()
  /// The upstream is left: nothing is begun any more.
  var isDismissed = false
  /// What was known as legacy may speak the modern era by now.
  var isUpgraded = false
  /// When it was last asked whether it does.
  var askedForUpgrade: UInt64 = 0
  /// Its lists that are being fetched, and who waits for them.
  var refreshes = ListRefreshState<() -> Void>()
  var announcements = ListAnnouncements()
  /// What was wrong with its lists, by kind, as they came last.
  var excesses: [ListKind: ListExcess] = [:]
  /// Lists that could not be had when they were asked for last.
  var missing: ListKinds = []
  /// Who waits for the next look at what it speaks.
  var reprobed: [@Sendable () -> Void] = []
  private var news: News?
  private var waiter: CheckedContinuation<Void, Never>?

  init(_ cluster: Cluster) {
    self.cluster = cluster
  }

  func raise(_ event: Event) {
    news = news ?? News()
    news?.add(event)
    waiter?.resume()
    waiter = nil
  }

  /// Forgets what has happened: the upstream is looked at afresh.
  func clear() {
    news?.settle()
    news = nil
  }

  func settleProbe() {
    for settled in reprobed { settled() }
    reprobed = []
  }

  /// What has happened since the last call; waits for something to happen.
  func next(isolation: isolated (any Actor)? = #isolation) async -> News {
    if news == nil {
      await withCheckedContinuation { waiter = $0 }
    }
    defer { news = nil }
    return news ?? News()
  }
}
