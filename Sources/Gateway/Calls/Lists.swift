import MCP
import Reactor
import Routing
import Wire

/// The four lists, answered from the catalogue of the moment once that is as fresh as the servers' own lists.
extension Worker {
  /// What a request is counted as while it waits, in bytes: more than it holds.
  private static var waitingBytes: Int { 1024 }

  func list(_ call: Call, _ kind: ListKind, _ view: CatalogueView, _ envelope: Envelope) {
    if call.clientRevision.era == .modern, isMissing(kind, view) {
      return fail(call, GatewayError(.serverNotCapable))
    }
    // The first page alone asks: who is in the middle of a list goes on with what it has begun.
    let cursor = envelope.value(Param.cursor)
    guard cursor == nil, let (wish, loops) = wish(of: call, kind, view) else {
      return answerList(call, kind, view, cursor: cursor)
    }
    wait(call, wish, loops, view)
  }

  private func answerList(_ call: Call, _ kind: ListKind, _ view: CatalogueView, cursor: RawSpan?) {
    let isModern = call.clientRevision.era == .modern
    if let session = call.session {
      delivery.catchUp(session)
    } else if case .socket(let reply) = call.origin {
      delivery.catchUp(reply.connection)
    }
    var page = ByteBuffer()
    // Looked at before the catalogue, which so is as new as that or newer.
    let lifetime = isModern ? lifetime(of: kind, view) : 0
    let fault = gateway.catalogue(for: call.session).append(
      kind, view, call.clientRevision, cursor: cursor, lifetime: lifetime, key: gateway.cursorKey, to: &page)
    if let fault { fail(call, fault) } else { answer(call, result: page.bytes) }
  }

  /// Every server that a client looks at has said what it offers, and none of them has such a list.
  private func isMissing(_ kind: ListKind, _ view: CatalogueView) -> Bool {
    let catalogue = gateway.catalogue(of: .modern)
    guard !catalogue.offer(view).capabilities.isSuperset(of: kind.method.required) else { return false }
    let clusters = catalogue.clusters
    guard case .only(let number) = view else { return clusters.allSatisfy { $0.profile != nil } }
    return clusters.contains { $0.number == number && $0.profile != nil }
  }

  // MARK: Freshness

  /// For how many milliseconds a client may keep a list: as long as each server that has a part in it has promised yet.
  private func lifetime(of kind: ListKind, _ view: CatalogueView) -> UInt64 {
    var least: UInt64?
    for cluster in gateway.catalogue(of: .modern).clusters where view.shows(cluster) {
      if let profile = cluster.profile, !profile.offers(kind) { continue }
      guard case .ready(let profile) = cluster.health, profile.revision.era == .modern else { return 0 }
      least = min(least ?? .max, cluster.freshness.withLock { $0.lifetime(kind, now: now) })
      if least == 0 { return 0 }
    }
    return least ?? 0
  }

  /// What a list needs before it can be served, and the loops whose sockets may hold news of it that nobody has read yet;
  /// nil if nothing is missing. A server that is down is not waited for.
  private func wish(of call: Call, _ kind: ListKind, _ view: CatalogueView) -> (ListWish, Set<Int>)? {
    let catalogue = gateway.catalogue(for: call.session)
    let own = call.session?.ownUpstreams ?? [:]
    var wish = ListWish(kind: kind)
    var loops: Set<Int> = []
    for cluster in catalogue.clusters where view.shows(cluster) {
      guard case .ready(let profile) = cluster.health, profile.offers(kind) else { continue }
      let isFresh = cluster.freshness.withLock { $0.isFresh(kind, now: now, age: settings.listAge) }
      if !isFresh { wish.clusters.append(cluster) }
      if let binding = own[cluster.key] {
        if let looked = catalogue.lookedAt[cluster.id], !profile.announces(kind), now >= looked + settings.listAge {
          binding.ownLists.announce(ListKinds(kind))
        }
        wish.own.append(binding)
      }
      guard profile.transport == .streamableHTTP else { continue }
      // What changed is told on another connection than that of the answer after which the client may ask.
      if isFresh, isHeard(cluster, profile, kind) {
        loops.insert(gateway.workerCount)
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
    return gateway.upstream.sessions.known(cluster, principal(of: call), abilities: session?.abilities ?? [])
  }

  /// Answers once the control loop has seen to it.
  private func wait(_ call: Call, _ wish: ListWish, _ loops: Set<Int>, _ view: CatalogueView) {
    guard let control else { return answerList(call, wish.kind, view, cursor: nil) }
    let party = party(of: call)
    let id = call.id
    if let party, let refusal = take(Self.waitingBytes, for: party, on: index) { return fail(call, refusal) }
    let (gateway, home) = (gateway, index)
    gateway.pass(loops) {
      control.freshen(wish) {
        gateway.post(to: home) { worker in
          if let party { worker.giveBack(Self.waitingBytes, of: party, on: home) }
          if let call = worker.calls.find(id) { worker.answerList(call, wish.kind, view, cursor: nil) }
        }
      }
    }
  }
}
