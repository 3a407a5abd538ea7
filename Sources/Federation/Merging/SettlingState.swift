import MCP
import ServedCatalogue

/// What clients are told of lists while a reload settles. A server that comes may change the names of the others before it has
/// answered, and the lists once it has: whoever hears of the first would fetch all lists twice. A value without I/O.
struct SettlingState {
  /// What is told once it is over.
  struct Telling {
    var all = Catalogues.Changes()
    var sessions: [SessionID: ListChanges] = [:]
  }

  private(set) var isSettling = false
  private var turn: UInt64 = 0
  private var held = Telling()

  /// Something is about to change in several steps. One that was under way goes on with it, but not beyond its own time.
  mutating func begin() -> UInt64 {
    isSettling = true
    turn += 1
    return turn
  }

  /// Whether that one is still under way.
  func isAt(_ turn: UInt64) -> Bool { isSettling && self.turn == turn }

  /// What all who see the changes are told of them now; nil if nothing.
  mutating func announce(_ changes: Catalogues.Changes) -> Catalogues.Changes? {
    guard isSettling else { return changes }
    held.all.formUnion(changes)
    return nil
  }

  /// The same for one who sees something else than all.
  mutating func announce(_ changes: ListChanges, to session: SessionID) -> ListChanges? {
    guard isSettling else { return changes }
    held.sessions[session, default: ListChanges()].formUnion(changes)
    return nil
  }

  /// All steps are done, or they take too long to be waited for.
  mutating func end() -> Telling {
    isSettling = false
    defer { held = Telling() }
    return held
  }
}
