import MCP
import Wire

/// What one client sees differently: the lists of its own conversations with upstreams, where those said that they had
/// changed and turned out to differ from what all see.
struct Overlay {
  /// By the id of the cluster.
  var lists: [Int: UpstreamLists] = [:]
  /// When those were looked at last.
  var lookedAt: [Int: UInt64] = [:]
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

/// A look at what one client's own conversation lists, and who waits for it.
struct OwnLook {
  let binding: UpstreamSession
  /// When its conversation told of what is to be looked at, roughly.
  var announcedAt: UInt64
  /// It is to be told of, and not only to be looked at.
  var isAnnounced = false
  /// A time is set for it.
  var isDue = false
  /// When the one that is under way was begun.
  var since: UInt64?
  var waiters: [() -> Void] = []
  /// Those whose question came after something that was told since.
  var next: [() -> Void] = []

  init(_ binding: UpstreamSession, at now: UInt64) {
    self.binding = binding
    announcedAt = now
  }
}

extension ControlPlane {
  /// How long the gateway's own conversation gets to bring the same change: most changes concern everybody.
  private static var patience: UInt64 { 200 }

  /// A session that has an overlay ended.
  nonisolated func forgetOverlay(of id: SessionID) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { $0.overlays[id] = nil }
    }
  }

  /// A list has changed in a conversation that is one client's alone.
  func lookLater(at binding: UpstreamSession, _ kinds: ListKinds) {
    // Somebody may have asked for it meanwhile, and got it.
    let kinds = kinds.intersection(binding.ownLists.announced)
    guard !kinds.isEmpty else { return }
    let key = ObjectIdentifier(binding)
    if ownLooks[key] == nil { ownLooks[key] = OwnLook(binding, at: worker.now) }
    ownLooks[key]?.isAnnounced = true
    lookAfterPatience(key)
  }

  private func lookAfterPatience(_ key: ObjectIdentifier) {
    guard let look = ownLooks[key], look.since == nil, !look.isDue else { return }
    ownLooks[key]?.isDue = true
    worker.after(milliseconds: Self.patience) {
      self.ownLooks[key]?.isDue = false
      self.begin(key)
    }
  }

  /// A client asks for a list of which its own conversation has told, or that was looked at there too long ago.
  func ask(_ binding: UpstreamSession, _ kind: ListKind, _ waiter: @escaping () -> Void) {
    guard binding.ownLists.isStale(kind) else { return waiter() }
    let key = ObjectIdentifier(binding)
    if ownLooks[key] == nil { ownLooks[key] = OwnLook(binding, at: worker.now) }
    let isCovered = !binding.ownLists.announced.contains(ListKinds(kind))
    guard let since = ownLooks[key]?.since else {
      ownLooks[key]?.waiters.append(waiter)
      return begin(key)
    }
    guard worker.now < since + ListRefreshState<() -> Void>.patience else { return waiter() }
    if isCovered { ownLooks[key]?.waiters.append(waiter) } else { ownLooks[key]?.next.append(waiter) }
  }

  private func begin(_ key: ObjectIdentifier) {
    guard let look = ownLooks[key], look.since == nil else { return }
    let kinds = look.binding.ownLists.begin()
    guard !kinds.isEmpty else {
      ownLooks[key] = nil
      for goOn in look.waiters { goOn() }
      return
    }
    let told = look.isAnnounced ? kinds : []
    ownLooks[key]?.since = worker.now
    ownLooks[key]?.isAnnounced = false
    watchPatience()
    Task.immediate(executorPreference: executor) {
      await self.look(at: look.binding, kinds, told: told, since: look.announcedAt)
      end(key)
    }
  }

  private func end(_ key: ObjectIdentifier) {
    guard var look = ownLooks[key] else { return }
    look.binding.ownLists.end()
    for goOn in look.waiters { goOn() }
    look.waiters = look.next
    look.next = []
    look.since = nil
    look.announcedAt = worker.now
    let isStale = !look.binding.ownLists.announced.isEmpty
    ownLooks[key] = isStale || !look.waiters.isEmpty ? look : nil
    if !look.waiters.isEmpty { begin(key) } else if isStale { lookAfterPatience(key) }
  }

  /// True while somebody may have to be released yet.
  func releaseImpatientLooks() -> Bool {
    var isWaiting = false
    for (key, look) in ownLooks {
      guard let since = look.since else { continue }
      isWaiting = true
      guard worker.now >= since + ListRefreshState<() -> Void>.patience else { continue }
      ownLooks[key]?.waiters = []
      ownLooks[key]?.next = []
      for goOn in look.waiters + look.next { goOn() }
    }
    return isWaiting
  }

  /// - Parameter told: those of which the conversation has told, at that time: its client hears of them even if they are
  ///   the same, unless it has, as most changes concern everybody.
  private func look(
    at binding: UpstreamSession, _ kinds: ListKinds, told: ListKinds, since: UInt64
  ) async {
    let cluster = binding.cluster
    guard let profile = cluster.profile, binding.current != nil, let shared = lists[cluster.id] else { return }
    var fetched: [ListKind: [[UInt8]]] = [:]
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      guard profile.offers(kind) else { continue }
      // A client whose conversation fails sees what all see.
      let allowance = ListAllowance(listBounds, taken: shared.bytes(without: kinds))
      switch try? await pages(of: kind, cluster, binding, profile, allowance) {
      case .some((.whole(let pages), _)), .some((.endless(let pages, _), _)): fetched[kind] = pages
      case .some((.tooMuch, _)), nil: return
      }
    }
    guard let session = binding.owner.flatMap(gateway.sessions.find) else { return }
    if let old = Overlay.leastRecent(of: overlays, for: session.id) { giveUp(old) }
    var overlay = overlays[session.id] ?? Overlay()
    var own = overlay.lists[cluster.id] ?? lists[cluster.id] ?? shared
    own.pages.merge(fetched) { $1 }
    overlay.lists[cluster.id] = own
    overlay.lookedAt[cluster.id] = worker.now
    overlays[session.id] = overlay
    // Beyond what a few servers may list, who has seen no change for the longest time sees what all see.
    let most = 4 * gateway.configuration.limits.list
    while let old = Overlay.leastRecent(of: overlays, besides: session.id, atMost: most) { giveUp(old) }
    let changes = renew(session.id, since: gateway.catalogue(of: .legacy))
    let view = CatalogueView.only(upstream: cluster.number)
    let heard = supervisors[cluster.id]?.announcements.covered(told, since: since, seen: view) ?? []
    let equal = told.subtracting(changes[session.view]).subtracting(heard)
    if !equal.isEmpty { worker.announce(to: [session]) { _ in equal } }
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
  @discardableResult
  private func renew(_ id: SessionID, since old: ServedCatalogue) -> ListChanges {
    guard var overlay = overlays[id], let session = gateway.sessions.find(id) else {
      overlays[id] = nil
      return ListChanges()
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
      overlay.lookedAt = overlay.lookedAt.filter { overlay.lists[$0.key] != nil }
      overlays[id] = overlay
      // From here on it is told of what it alone sees, and of nothing that all see.
      worker.delivery.catchUp(session)
      after = merged(lists.merging(overlay.lists) { $1 }, .legacy, lookedAt: overlay.lookedAt)
      session.see(after)
    }
    let changes = after.changes(since: before)
    worker.announce(changes, to: [session])
    return changes
  }
}
