import Delivery
import MCP
import ServedCatalogue
import Sessions
import Supervision

/// Tells clients that their lists have changed: at once, or, while a reload settles, once when that is over.
final class ListAnnouncer: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private var settling = SettlingState()

  init(_ loop: ControlLoop) { self.loop = loop }

  /// Each client is told of what its era sees: sessions are of the legacy one, listens of the modern one.
  func announce(_ changes: Catalogues.Changes) {
    if let told = settling.announce(changes) { tell(told) }
  }

  /// One client sees something else than before.
  func announce(_ changes: ListChanges, to sessions: [SessionID]) {
    for session in sessions {
      if let told = settling.announce(changes, to: session) { tell(told, to: session) }
    }
  }

  var isSettling: Bool { settling.isSettling }

  /// From now on until `settled`, or for that many milliseconds, what changes is told together.
  func settle(atMost milliseconds: UInt64) {
    let turn = settling.begin()
    loop.after(milliseconds: milliseconds) { [self] in
      if settling.isAt(turn) { settled() }
    }
  }

  func settled() {
    let told = settling.end()
    tell(told.all)
    for (session, changes) in told.sessions { tell(changes, to: session) }
  }

  private func tell(_ changes: Catalogues.Changes) {
    loop.deliveries.announce(forSessions: changes.legacy, forListens: changes.modern)
  }

  private func tell(_ changes: ListChanges, to session: SessionID) {
    guard !changes.isEmpty, let session = loop.sessions.find(session) else { return }
    loop.clients.announce(changes, to: session)
  }
}
