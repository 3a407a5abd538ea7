import Catalogue
import MCP
import Reactor
import Testing

@testable import SessionStore
@testable import Sessions
@testable import Workers

@Suite("Events that nobody has read, where memory is short")
struct ReplayReliefTests {
  private let table = SessionTable(SessionCensus.Bounds(all: 1000, each: 1000), workers: 2)

  private struct Full: Error {}

  /// A session with so many events of ten bytes and more on a stream that nobody reads.
  @discardableResult
  private func open(of party: UInt64, events: Int) throws -> Session {
    let session = Session(
      id: SessionID(worker: UInt8(table.size % 2)), party: .address(ClientAddress(high: party, low: 0)), view: .all,
      handshake: Session.Handshake(.r20250618), replay: 10_000, resumeWindow: 100, now: 0)
    session.withState { state in
      let stream = state.log.open(.standalone, nil)
      for _ in 0..<events { _ = state.log.append(EventLog.encode(("0123456789" as StaticString).bytes), to: stream) }
    }
    guard case .admitted = table.insert(session, now: 0) else { throw Full() }
    return session
  }

  private func kept(_ session: Session) -> Int { session.withState { $0.log.unreadBytes } }

  private func finish(_ relief: inout ReplayRelief) { while !relief.isOver { relief.next() } }

  @Test("are given up of the client that has most of them first, and no more than are wanted", arguments: [1, 2, 256])
  func order(atMost most: Int) throws {
    let modest = try open(of: 1, events: 6)
    let greedy = try [2, 5, 4].map { try open(of: 2, events: $0) }
    let before = greedy.map(kept)
    #expect(before.reduce(0, +) > kept(modest) && before[1] < kept(modest))
    var first = ReplayRelief(of: 1, in: table, atMost: most)
    finish(&first)
    #expect(first.freed == before[1])
    #expect(greedy.map(kept) == [before[0], 0, before[2]])
    let rest = kept(modest) + before[0] + before[2]
    var all = ReplayRelief(of: .max, in: table, atMost: most)
    finish(&all)
    #expect(all.freed == rest && kept(modest) == 0)
  }

  @Test("are looked at and given up of no more than 256 sessions in a turn")
  func turns() throws {
    let sessions = try (0..<600).map { try open(of: UInt64($0 % 7), events: 1) }
    var relief = ReplayRelief(of: .max, in: table)
    var given: [Int] = []
    while !relief.isOver {
      let before = sessions.count { kept($0) > 0 }
      relief.next()
      given.append(before - sessions.count { kept($0) > 0 })
    }
    #expect(given == [0, 0, 0, 256, 256, 88])
  }

  @Test("are not given up of a stream that is read meanwhile")
  func changes() throws {
    let (taken, left) = (try open(of: 1, events: 3), try open(of: 2, events: 3))
    let bytes = kept(left)
    var relief = ReplayRelief(of: .max, in: table, atMost: 1)
    for _ in 0..<2 { relief.next() }
    let stream = try #require(taken.withState { $0.log.standalone })
    let first = Array("\(stream)-0".utf8)
    taken.withState { _ = $0.log.resume(after: first.rawBytes, ConnectionID(rawValue: 9), now: 0) }
    finish(&relief)
    #expect(relief.freed == bytes && kept(left) == 0)
    taken.withState { _ = $0.log.detach(ConnectionID(rawValue: 9), now: 0) }
    #expect(kept(taken) == bytes)
  }

  @Test("are given up as far as the last who looked wants it")
  func adopts() throws {
    let sessions = try (0..<4).map { try open(of: 1, events: $0 + 1) }
    let before = sessions.map(kept)
    var relief = ReplayRelief(of: .max, in: table, atMost: 1)
    for _ in 0..<5 { relief.next() }
    #expect(relief.freed == before[3] && !relief.isOver)
    relief.adopt(1)
    finish(&relief)
    #expect(relief.freed == before[3] + before[2])
    relief.adopt(0)
    relief.next()
    #expect(relief.isOver && kept(sessions[0]) == before[0])
  }

  @Test("are none where there is no session")
  func nobody() {
    var relief = ReplayRelief(of: 1, in: table)
    relief.next()
    #expect(relief.isOver && relief.freed == 0)
  }
}
