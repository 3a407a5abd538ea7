import Catalogue
import Clusters
import Configuration
import Delivery
import Links
import MCP
import OpenCalls
import Reactor
import Routing
import ServedCatalogue
import Sessions
import Wire
import Workers

/// The four lists, answered from the catalogue of the moment once that is as fresh as the servers' own lists.
final class ListServer {
  private let context: CallsContext
  private let worker: WorkerContext
  private let loop: EventLoop
  private let shared: CallsShared
  private let sessions: SessionsShared
  private let delivery: Delivery
  private let open: OpenCalls

  init(_ context: CallsContext, _ open: OpenCalls) {
    self.context = context
    worker = context.worker
    loop = context.loop
    shared = context.shared
    sessions = context.sessions
    delivery = context.delivery
    self.open = open
  }

  /// What a request is counted as while it waits, in bytes: more than it holds.
  private static var waitingBytes: Int { 1024 }

  func serve(_ call: Call, _ kind: ListKind, _ view: CatalogueView, _ envelope: Envelope) {
    if call.clientRevision.era == .modern, isMissing(kind, view) {
      return open.fail(call, GatewayError(.serverNotCapable))
    }
    // The first page alone asks: who is in the middle of a list goes on with what it has begun.
    let cursor = envelope.value(Param.cursor)
    guard cursor == nil, let (wish, loops) = wish(of: call, kind, view) else {
      return answer(call, kind, view, cursor: cursor)
    }
    wait(call, wish, loops, view)
  }

  private func answer(_ call: Call, _ kind: ListKind, _ view: CatalogueView, cursor: RawSpan?) {
    let isModern = call.clientRevision.era == .modern
    let id = call.id
    if let session = call.session {
      delivery.catchUp(session)
    } else if let socket = call.socket {
      delivery.catchUp(socket)
    }
    // What has been told may have ended it, with its session.
    guard open.find(id) != nil else { return }
    var page = ByteBuffer()
    // Looked at before the catalogue, which so is as new as that or newer.
    let lifetime = isModern ? lifetime(of: kind, view) : 0
    let fault = sessions.catalogue(for: call.session).append(
      kind, view, call.clientRevision, cursor: cursor, lifetime: lifetime, key: sessions.cursorKey, to: &page)
    if let fault { open.fail(call, fault) } else { open.answer(call, result: page.bytes) }
  }

  /// Every server that a client looks at has said what it offers, and none of them has such a list.
  private func isMissing(_ kind: ListKind, _ view: CatalogueView) -> Bool {
    let catalogue = sessions.shelf.catalogue(of: .modern)
    guard !catalogue.offer(view).capabilities.isSuperset(of: kind.method.required) else { return false }
    let clusters = catalogue.clusters
    guard case .only(let number) = view else { return clusters.allSatisfy { $0.profile != nil } }
    return clusters.contains { $0.number == number && $0.profile != nil }
  }

  // MARK: Freshness

  /// For how many milliseconds a client may keep a list: as long as each server that has a part in it has promised yet.
  private func lifetime(of kind: ListKind, _ view: CatalogueView) -> UInt64 {
    var least: UInt64?
    for cluster in sessions.shelf.catalogue(of: .modern).clusters where view.shows(cluster) {
      if let profile = cluster.profile, !profile.offers(kind) { continue }
      guard let profile = cluster.health.usable, profile.revision.era == .modern else { return 0 }
      least = min(least ?? .max, cluster.freshness.withLock { $0.lifetime(kind, now: loop.now) })
      if least == 0 { return 0 }
    }
    return least ?? 0
  }

  /// What a list needs before it can be served, and the loops whose sockets may hold news of it that nobody has read yet;
  /// nil if nothing is missing. A server that is down is not waited for.
  private func wish(of call: Call, _ kind: ListKind, _ view: CatalogueView) -> (ListWish, Set<Int>)? {
    let catalogue = sessions.catalogue(for: call.session)
    let (now, age) = (loop.now, worker.settings.listAge)
    let own = call.session?.ownUpstreams ?? [:]
    var wish = ListWish(kind: kind)
    var loops: Set<Int> = []
    for cluster in catalogue.clusters where view.shows(cluster) {
      guard case .ready(let profile) = cluster.health, profile.offers(kind) else { continue }
      let isFresh = cluster.freshness.withLock { $0.isFresh(kind, now: now, age: age) }
      if !isFresh { wish.clusters.append(cluster) }
      if let binding = own[cluster.key] {
        if let looked = catalogue.lookedAt[cluster.id], !profile.announces(kind), now >= looked + age {
          binding.ownLists.announce(ListKinds(kind))
        }
        wish.own.append(binding)
      }
      guard profile.transport == .streamableHTTP else { continue }
      // What changed is told on another connection than that of the answer after which the client may ask.
      if isFresh, isHeard(cluster, profile, kind) {
        loops.insert(shared.group.workerCount)
        wish.clusters.append(cluster)
      }
      if let loop = knownConversation(of: call, with: cluster, own)?.current?.http?.streamLoop { loops.insert(loop) }
    }
    wish.own.removeAll { loops.isEmpty && !$0.ownLists.isStale(kind) }
    return wish.clusters.isEmpty && wish.own.isEmpty && loops.isEmpty ? nil : (wish, loops)
  }

  /// Whether the control loop has a stream on which the server may tell of a change.
  private func isHeard(_ cluster: Cluster, _ profile: Cluster.Profile, _ kind: ListKind) -> Bool {
    profile.revision.era == .modern ? profile.announces(kind) : cluster.streams != .none
  }

  private func knownConversation(
    of call: Call, with cluster: Cluster, _ own: [PlainKey: UpstreamSession]
  ) -> UpstreamSession? {
    if let known = own[cluster.key] { return known }
    let session = call.session
    guard cluster.isolation == .principal || cluster.isolation == .session && session == nil else { return nil }
    let principal = context.principal(of: call)
    return sessions.upstream.sessions.known(
      cluster, at: cluster.home(of: principal.routingKey, now: context.now), principal,
      abilities: session?.abilities ?? [])
  }

  /// Answers once whoever looks after the servers has seen to it.
  private func wait(_ call: Call, _ wish: ListWish, _ loops: Set<Int>, _ view: CatalogueView) {
    guard let servers = shared.delegate else { return answer(call, wish.kind, view, cursor: nil) }
    let party = context.party(of: call)
    let id = call.id
    let home = context.index
    if let party, let refusal = worker.memory.take(Self.waitingBytes, for: party, on: home) {
      return open.fail(call, refusal)
    }
    let done = context.later.once { [unowned self] in
      if let party { worker.memory.giveBack(Self.waitingBytes, of: party, on: home) }
      if let call = open.find(id) { answer(call, wish.kind, view, cursor: nil) }
    }
    shared.group.pass(loops) { servers.freshen(wish, done) }
  }
}
