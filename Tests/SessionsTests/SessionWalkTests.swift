import Catalogue
import MCP
import Reactor
import Testing

@testable import Sessions
@testable import Workers

@Suite("A walk over all sessions")
struct SessionWalkTests {
  private let table = SessionTable(SessionCensus.Bounds(all: 10_000, each: 10_000), workers: 3)

  private struct Full: Error {}

  @discardableResult
  private func open(on worker: UInt8, seeing view: CatalogueView = .all) throws -> Session {
    let session = Session(
      id: SessionID(worker: worker), party: .address(ClientAddress(high: 1, low: 0)), view: view,
      handshake: Session.Handshake(.r20250618), replay: 0, resumeWindow: 0, now: 0)
    guard case .admitted = table.insert(session, now: 0) else { throw Full() }
    return session
  }

  @Test("of none is over after one turn")
  func empty() {
    var walk = SessionWalk(over: table)
    #expect(walk.next()?.isEmpty == true && walk.isOver && walk.next() == nil)
  }

  @Test("meets no more than 256 in a turn, and each once where none ends")
  func slices() throws {
    for number in 0..<700 { try open(on: UInt8(number % 3)) }
    var walk = SessionWalk(over: table)
    var met: [SessionID] = []
    var turns = 0
    while let some = walk.next() {
      #expect(some.count <= 256)
      met += some.map(\.id)
      turns += 1
    }
    #expect(met.count == 700 && Set(met).count == 700 && turns == 3)
  }

  @Test("goes on with the next worker's where one keeps few", arguments: [1, 2, 5, 100])
  func rows(atMost most: Int) throws {
    for worker in [0, 2, 2] as [UInt8] { try open(on: worker) }
    var walk = SessionWalk(over: table, atMost: most)
    var turns: [Int] = []
    while let some = walk.next() { turns.append(some.count) }
    #expect(turns.reduce(0, +) == 3 && turns.allSatisfy { $0 <= most } && turns[0] == min(most, 3))
  }

  @Test("meets whoever stays, whoever ends or comes meanwhile", arguments: [1, 2, 3])
  func changes(atMost most: Int) throws {
    let staying = try (0..<6).map { try open(on: UInt8($0 % 3)) }
    var leaving = try (0..<6).map { try open(on: UInt8($0 % 3)) }
    var walk = SessionWalk(over: table, atMost: most)
    var met: Set<SessionID> = []
    while let some = walk.next() {
      met.formUnion(some.map(\.id))
      if let session = leaving.popLast() { #expect(table.remove(session.id) === session) }
      if leaving.count == 3 { try open(on: 1) }
    }
    #expect(met.isSuperset(of: staying.map(\.id)))
  }

  @Test("need not be gone for how many look at what")
  func views() throws {
    let only = CatalogueView.only(upstream: 4)
    let one = try open(on: 0, seeing: only)
    try open(on: 1, seeing: only)
    try open(on: 2)
    #expect(table.count(seeing: only) == 2 && table.count(seeing: .all) == 1)
    #expect(table.count(seeing: .only(upstream: 5)) == 0)
    #expect(table.remove(one.id) === one && table.remove(one.id) == nil)
    #expect(table.count(seeing: only) == 1)
  }

  @Test("counts nobody who is refused")
  func refused() throws {
    table.adopt(SessionCensus.Bounds(all: 1, each: 1))
    try open(on: 0).noteUse()
    #expect(throws: Full.self) { try open(on: 0) }
    #expect(table.count(seeing: .all) == 1)
  }
}
