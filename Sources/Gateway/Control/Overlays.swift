import MCP
import Wire

/// What one client sees differently: the lists of its own conversations with upstreams, where those said that they had
/// changed and turned out to differ from what all see.
struct Overlay {
  /// By the id of the cluster.
  var lists: [Int: UpstreamLists] = [:]
  /// Greater than those of overlays that have changed before.
  var turn: UInt64 = 0

  /// Each is a catalogue of its own, so there may be so many. Beyond, who has seen no change for the longest time sees
  /// what all see.
  static let most = 256

  /// Bytes of what it has of its own.
  var bytes: Int { lists.values.reduce(0) { $0 + $1.bytes(without: []) } }

  /// The one to give up while all of them have more bytes than that.
  static func leastRecent(of overlays: [SessionID: Overlay], besides: SessionID, atMost bytes: Int) -> SessionID? {
    guard overlays.values.reduce(0, { $0 + $1.bytes }) > bytes else { return nil }
    return overlays.filter { $0.key != besides }.min { $0.value.turn < $1.value.turn }?.key
  }

  /// The one to give up for `newcomer`, when there are as many as there may be.
  static func leastRecent(of overlays: [SessionID: Overlay], for newcomer: SessionID) -> SessionID? {
    guard overlays.count >= most, overlays[newcomer] == nil else { return nil }
    return overlays.min { $0.value.turn < $1.value.turn }?.key
  }
}

extension ControlPlane {
  /// How long the gateway's own conversation gets to bring the same change: most changes concern everybody.
  private static var patience: UInt64 { 200 }

  /// A list has changed in a conversation that is one client's alone.
  nonisolated func listChanged(_ binding: UpstreamSession, _ method: Method) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { $0.lookLater(at: binding, ListKinds(changed: method)) }
    }
  }

  /// A session that has an overlay ended.
  nonisolated func forgetOverlay(of id: SessionID) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { $0.overlays[id] = nil }
    }
  }

  private func lookLater(at binding: UpstreamSession, _ kinds: ListKinds) {
    let key = ObjectIdentifier(binding)
    guard staleOverlays[key] == nil else {
      staleOverlays[key]?.formUnion(kinds)
      return
    }
    staleOverlays[key] = kinds
    Task {
      await pause(Self.patience)
      await look(at: binding, staleOverlays.removeValue(forKey: key) ?? [])
    }
  }

  private func look(at binding: UpstreamSession, _ kinds: ListKinds) async {
    let cluster = binding.cluster
    guard let profile = cluster.profile, binding.current != nil, let shared = lists[cluster.id] else { return }
    var fetched: [ListKind: [[UInt8]]] = [:]
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      guard profile.offer.capabilities.isSuperset(of: kind.method.required) else { continue }
      // A client whose conversation fails sees what all see.
      let allowance = ListAllowance(listBounds, taken: shared.bytes(without: kinds))
      switch try? await pages(of: kind, cluster, binding, profile, allowance) {
      case .whole(let pages), .endless(let pages, _): fetched[kind] = pages
      case .tooMuch, nil: return
      }
    }
    guard let session = binding.owner.flatMap(gateway.sessions.find) else { return }
    if let old = Overlay.leastRecent(of: overlays, for: session.id) { giveUp(old) }
    var overlay = overlays[session.id] ?? Overlay()
    var own = overlay.lists[cluster.id] ?? shared
    own.pages.merge(fetched) { $1 }
    overlay.lists[cluster.id] = own
    overlays[session.id] = overlay
    // Beyond what a few servers may list, who has seen no change for the longest time sees what all see.
    let most = 4 * gateway.configuration.limits.list
    while let old = Overlay.leastRecent(of: overlays, besides: session.id, atMost: most) { giveUp(old) }
    renew(session.id, since: gateway.catalogue(of: .legacy))
  }

  /// What all see has changed: so has what some see differently, unless it is the same by now.
  func renewOverlays(since old: ServedCatalogue) {
    for id in overlays.keys { renew(id, since: old) }
  }

  private func giveUp(_ id: SessionID) {
    guard overlays.removeValue(forKey: id) != nil, let session = gateway.sessions.find(id) else { return }
    guard let before = session.overlay else { return }
    session.see(nil)
    worker.announce(gateway.catalogue(of: .legacy).changes(since: before), to: [session])
  }

  /// Merges what a client sees and tells it if that is something else than before.
  private func renew(_ id: SessionID, since old: ServedCatalogue) {
    guard var overlay = overlays[id], let session = gateway.sessions.find(id) else {
      overlays[id] = nil
      return
    }
    let served = Set(legacyClusters.map(\.id))
    overlay.lists = overlay.lists.filter { served.contains($0) && $1.pages != lists[$0]?.pages }
    let before = session.overlay ?? old
    var after = gateway.catalogue(of: .legacy)
    if overlay.lists.isEmpty {
      overlays[id] = nil
      session.see(nil)
    } else {
      overlayTurn += 1
      overlay.turn = overlayTurn
      overlays[id] = overlay
      after = merged(lists.merging(overlay.lists) { $1 }, .legacy)
      session.see(after)
    }
    worker.announce(after.changes(since: before), to: [session])
  }
}
