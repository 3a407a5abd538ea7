import MCP
import Reactor
import Testing

@testable import Gateway

@Suite("The table of client WebSockets")
struct SocketTableTests {
  private func connection(_ number: UInt64) -> ConnectionID { ConnectionID(rawValue: number) }

  @Test("a place names its socket until it is removed, and is then taken again")
  func places() {
    var table = SocketTable()
    let first = table.make(connection(7), .all)
    let second = table.make(connection(8), .only(upstream: 3))
    #expect(table[first]?.connection == connection(7))
    #expect(table[second]?.view == .only(upstream: 3))
    #expect(table.place(of: connection(8)) == second)
    #expect(table.places == [first, second])
    #expect(table.remove(first)?.connection == connection(7))
    #expect(table[first] == nil)
    #expect(table.remove(first) == nil)
    #expect(table.place(of: connection(7)) == nil)
    #expect(table.make(connection(9), .all) == first)
    #expect(table[first]?.session == nil)
  }

  @Test("a place keeps the session that was opened on it, and lets go of it")
  func sessions() {
    var table = SocketTable()
    let place = table.make(connection(7), .all)
    weak var left: Session?
    do {
      let session = Session(
        id: SessionID(worker: 0), party: .principal(.anonymous), view: .all,
        handshake: Session.Handshake(.r20250618, [.roots]), .socket(connection(7)), replay: 0, resumeWindow: 0, now: 0)
      table.open(session, at: place)
      left = session
      #expect(session.revision == .r20250618)
      #expect(session.abilities == [.roots])
      #expect(session.socket == connection(7))
      #expect(!session.isIdle(for: 1, now: 100))
    }
    #expect(table[place]?.session === left)
    _ = table.remove(place)
    #expect(left == nil)
  }
}
