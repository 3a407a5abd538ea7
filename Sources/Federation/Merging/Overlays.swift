import Catalogue
import Clusters
import Configuration
import MCP
import ServedCatalogue
import Sessions
import Supervision

/// What some clients see differently from all others.
final class Overlays: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let lists: ServerLists
  private let faces: SecondFaces
  private let merger: CatalogueMerger
  private let announcer: ListAnnouncer
  private var overlays: [SessionID: Overlay] = [:]
  /// That of the overlay that has changed last.
  private var turn: UInt64 = 0

  init(
    _ loop: ControlLoop, _ lists: ServerLists, _ faces: SecondFaces, _ merger: CatalogueMerger,
    _ announcer: ListAnnouncer
  ) {
    self.loop = loop
    self.lists = lists
    self.faces = faces
    self.merger = merger
    self.announcer = announcer
  }

  /// Those who have one.
  var sessions: [SessionID] { Array(overlays.keys) }

  /// A session that has an overlay ended.
  func forget(_ id: SessionID) { overlays[id] = nil }

  /// A client's own conversation has listed that. Gives what is different for it, of which it is told.
  func show(
    _ session: Session, _ fetched: [ListKind: [[UInt8]]], of cluster: Cluster, otherwise shared: UpstreamLists
  ) -> ListChanges {
    if let old = Overlay.leastRecent(of: overlays, for: session.id) { giveUp(old) }
    var overlay = overlays[session.id] ?? Overlay()
    var own = overlay.lists[cluster.id] ?? lists[cluster] ?? shared
    own.pages.merge(fetched) { $1 }
    overlay.lists[cluster.id] = own
    overlay.lookedAt[cluster.id] = loop.now
    overlays[session.id] = overlay
    // Beyond what a few servers may list, who has seen no change for the longest time sees what all see.
    let most = 4 * loop.configuration.limits.list
    while let old = Overlay.leastRecent(of: overlays, besides: session.id, atMost: most) { giveUp(old) }
    return renew(session.id, since: loop.shelf.catalogue(of: .legacy))
  }

  /// What all see has changed: so has what some see differently, unless it is the same by now. In one turn, so that nobody
  /// who lists after that sees what was before: there are no more than `Overlay.most` of them, which is what a walk over
  /// sessions looks at in a turn, and what they list together is bounded by `show`.
  func renew(since old: ServedCatalogue) {
    for id in overlays.keys { renew(id, since: old) }
  }

  private func giveUp(_ id: SessionID) {
    guard overlays.removeValue(forKey: id) != nil, let session = loop.sessions.find(id) else { return }
    guard let before = session.overlay else { return }
    session.see(nil)
    announcer.announce(loop.shelf.catalogue(of: .legacy).changes(since: before), to: [id])
  }

  /// Merges what a client sees and tells it if that is something else than before.
  @discardableResult
  private func renew(_ id: SessionID, since old: ServedCatalogue) -> ListChanges {
    guard var overlay = overlays[id], let session = loop.sessions.find(id) else {
      overlays[id] = nil
      return ListChanges()
    }
    let served = Set(faces.legacyClusters.map(\.id))
    let listed = lists.all
    overlay.lists = overlay.lists.filter { served.contains($0) && $1.pages != listed[$0]?.pages }
    let before = session.overlay ?? old
    var after = loop.shelf.catalogue(of: .legacy)
    if overlay.lists.isEmpty {
      overlays[id] = nil
      session.see(nil)
    } else {
      turn += 1
      overlay.turn = turn
      overlay.lookedAt = overlay.lookedAt.filter { overlay.lists[$0.key] != nil }
      overlays[id] = overlay
      // From here on it is told of what it alone sees, and of nothing that all see.
      loop.clients.catchUp(session)
      after = merger.merged(listed.merging(overlay.lists) { $1 }, .legacy, lookedAt: overlay.lookedAt)
      session.see(after)
    }
    let changes = after.changes(since: before)
    announcer.announce(changes, to: [id])
    return changes
  }
}
