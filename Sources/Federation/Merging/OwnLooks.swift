import Catalogue
import Clusters
import MCP
import ServedCatalogue
import Sessions
import Supervision
import Wire

/// A look at what one client's own conversation lists, and who waits for it.
private struct OwnLook {
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

/// Looks at what clients' own conversations with upstreams list, where those said that it had changed.
final class OwnLooks: @unchecked Sendable {  // touched on the control loop alone
  /// How long the gateway's own conversation gets to bring the same change: most changes concern everybody. In milliseconds.
  private static let patience: UInt64 = 200

  private let loop: ControlLoop
  private let supervised: SupervisedClusters
  private let fetcher: ListFetcher
  private let lists: ServerLists
  private let overlays: Overlays
  private let announcer: ListAnnouncer
  private let patience: PatienceWatch
  /// By conversation.
  private var looks: [ObjectIdentifier: OwnLook] = [:]

  init(
    _ loop: ControlLoop, _ supervised: SupervisedClusters, _ fetcher: ListFetcher, _ lists: ServerLists,
    _ overlays: Overlays, _ announcer: ListAnnouncer
  ) {
    self.loop = loop
    self.supervised = supervised
    self.fetcher = fetcher
    self.lists = lists
    self.overlays = overlays
    self.announcer = announcer
    patience = PatienceWatch(loop)
  }

  /// A list has changed in a conversation that is one client's alone.
  func lookLater(at binding: UpstreamSession, _ kinds: ListKinds) {
    // Somebody may have asked for it meanwhile, and got it.
    let kinds = kinds.intersection(binding.ownLists.announced)
    guard !kinds.isEmpty else { return }
    let key = ObjectIdentifier(binding)
    if looks[key] == nil { looks[key] = OwnLook(binding, at: loop.now) }
    looks[key]?.isAnnounced = true
    lookAfterPatience(key)
  }

  private func lookAfterPatience(_ key: ObjectIdentifier) {
    guard let look = looks[key], look.since == nil, !look.isDue else { return }
    looks[key]?.isDue = true
    loop.after(milliseconds: Self.patience) {
      self.looks[key]?.isDue = false
      self.begin(key)
    }
  }

  /// A client asks for a list of which its own conversation has told, or that was looked at there too long ago.
  func ask(_ binding: UpstreamSession, _ kind: ListKind, _ waiter: @escaping () -> Void) {
    guard binding.ownLists.isStale(kind) else { return waiter() }
    let key = ObjectIdentifier(binding)
    if looks[key] == nil { looks[key] = OwnLook(binding, at: loop.now) }
    let isCovered = !binding.ownLists.announced.contains(ListKinds(kind))
    guard let since = looks[key]?.since else {
      looks[key]?.waiters.append(waiter)
      return begin(key)
    }
    guard loop.now < since + ListRefreshState<() -> Void>.patience else { return waiter() }
    if isCovered { looks[key]?.waiters.append(waiter) } else { looks[key]?.next.append(waiter) }
  }

  private func begin(_ key: ObjectIdentifier) {
    guard let look = looks[key], look.since == nil else { return }
    let kinds = look.binding.ownLists.begin()
    guard !kinds.isEmpty else {
      looks[key] = nil
      for goOn in look.waiters { goOn() }
      return
    }
    let told = look.isAnnounced ? kinds : []
    looks[key]?.since = loop.now
    looks[key]?.isAnnounced = false
    patience.begin { [self] in releaseImpatient() }
    let (binding, since) = (look.binding, look.announcedAt)
    loop.beginNow { [self] in
      await self.look(at: binding, kinds, told: told, since: since)
      end(key)
    }
  }

  private func end(_ key: ObjectIdentifier) {
    guard var look = looks[key] else { return }
    look.binding.ownLists.end()
    for goOn in look.waiters { goOn() }
    look.waiters = look.next
    look.next = []
    look.since = nil
    look.announcedAt = loop.now
    let isStale = !look.binding.ownLists.announced.isEmpty
    looks[key] = isStale || !look.waiters.isEmpty ? look : nil
    if !look.waiters.isEmpty { begin(key) } else if isStale { lookAfterPatience(key) }
  }

  /// True while somebody may have to be released yet.
  private func releaseImpatient() -> Bool {
    var isWaiting = false
    for (key, look) in looks {
      guard let since = look.since else { continue }
      isWaiting = true
      guard loop.now >= since + ListRefreshState<() -> Void>.patience else { continue }
      looks[key]?.waiters = []
      looks[key]?.next = []
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
    guard let profile = cluster.profile, binding.current != nil, let shared = lists[cluster] else { return }
    var fetched: [ListKind: [[UInt8]]] = [:]
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      guard profile.offers(kind) else { continue }
      // A client whose conversation fails sees what all see.
      let allowance = ListAllowance(fetcher.bounds, taken: shared.bytes(without: kinds))
      switch try? await fetcher.pages(of: kind, cluster, binding, profile, allowance) {
      case .some((.whole(let pages), _)), .some((.endless(let pages, _), _)): fetched[kind] = pages
      case .some((.tooMuch, _)), nil: return
      }
    }
    guard let session = binding.owner.flatMap(loop.sessions.find) else { return }
    let changes = overlays.show(session, fetched, of: cluster, otherwise: shared)
    let view = CatalogueView.only(upstream: cluster.number)
    let heard = supervised[cluster]?.announcements.covered(told, since: since, seen: view) ?? []
    let equal = told.subtracting(changes[session.view]).subtracting(heard)
    if !equal.isEmpty { announcer.announce(ListChanges(equal, ofUpstream: cluster.number), to: [session.id]) }
  }
}
