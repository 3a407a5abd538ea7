import MCP
import Reactor
import Testing

@testable import Gateway

@Suite("The table of sessions")
struct SessionTableTests {
  private let table = SessionTable(SessionCensus.Bounds(all: 10, each: 10))

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
}
