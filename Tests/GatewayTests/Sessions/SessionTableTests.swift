import MCP
import Reactor
import Testing

@testable import Gateway

@Suite("The table of sessions")
struct SessionTableTests {
  private let table = SessionTable(SessionCensus.Bounds(all: 10, each: 10), workers: 1)

  /// A session with so many events of ten bytes and more on a stream that nobody reads.
  private func open(of party: UInt64, events: Int) throws -> Session {
    let session = Session(
      id: SessionID(worker: 0), party: .address(ClientAddress(high: party, low: 0)), view: .all,
      handshake: Session.Handshake(.r20250618), replay: 10_000, resumeWindow: 100, now: 0)
    session.withState { state in
      let stream = state.log.open(.standalone, nil)
      for _ in 0..<events { _ = state.log.append(EventLog.encode(("0123456789" as StaticString).bytes), to: stream) }
    }
    guard case .admitted = table.insert(session, now: 0) else { throw Full() }
    return session
  }

  private struct Full: Error {}

  private func kept(_ session: Session) -> Int { session.withState { $0.log.unreadBytes } }

  @Test("gives up replays of the client that has most of them first, and no more than are wanted")
  func giveUp() throws {
    let modest = try open(of: 1, events: 6)
    let greedy = try [2, 5, 4].map { try open(of: 2, events: $0) }
    let before = greedy.map(kept)
    #expect(before.reduce(0, +) > kept(modest) && before[1] < kept(modest))
    #expect(table.giveUpReplays(1) == before[1])
    #expect(greedy.map(kept) == [before[0], 0, before[2]])
    let rest = kept(modest) + before[0] + before[2]
    #expect(table.giveUpReplays(UInt64.max) == rest)
    #expect(kept(modest) == 0)
  }

  @Test("whoever stays is met by a walk in slices, whoever ends or comes meanwhile", arguments: [1, 2, 3, 100])
  func rows(atMost count: Int) throws {
    let staying = try (0..<4).map { _ in try open(of: 1, events: 0) }
    let leaving = try (0..<4).map { _ in try open(of: 2, events: 0) }
    var met: Set<SessionID> = []
    var place = Int.max
    var gone = leaving.makeIterator()
    repeat {
      let slice = table.slice(of: 0, before: &place, atMost: count)
      #expect(slice.count <= count)
      for session in slice { met.insert(session.id) }
      if let session = gone.next() { #expect(table.remove(session.id) === session) }
      if met.count == 3 { _ = try open(of: 3, events: 0) }
    } while place > 0
    #expect(met.isSuperset(of: staying.map(\.id)))
    #expect(table.slice(of: 0, before: &place, atMost: count).isEmpty)
    for session in leaving { _ = table.remove(session.id) }
    #expect(Set(table.all(of: 0).map(\.id)).isSuperset(of: staying.map(\.id)) && table.all.count == table.size)
  }

  @Test("what is refused is in no row")
  func refused() throws {
    for number in 0..<10 { try open(of: UInt64(number), events: 0).noteUse() }
    #expect(throws: Full.self) { _ = try open(of: 11, events: 0) }
    #expect(table.all.count == 10)
  }

  @Test("holds a session for idle that nothing was heard of for long, that has no call and no reader")
  func idle() throws {
    let session = try open(of: 1, events: 0)
    #expect(!session.isIdle(for: 1000, now: 999) && session.isIdle(for: 1000, now: 1000))
    session.callBegan()
    session.callBegan()
    session.callEnded()
    #expect(!session.isIdle(for: 1000, now: 1_000_000))
    session.callEnded()
    #expect(session.isIdle(for: 1000, now: 1000))
    session.touch(now: 1000)
    #expect(!session.isIdle(for: 1000, now: 1999))
  }
}
