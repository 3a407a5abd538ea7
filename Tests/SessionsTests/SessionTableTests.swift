import Catalogue
import MCP
import Reactor
import Testing

@testable import Clusters
@testable import SessionStore
@testable import Sessions
@testable import Workers

@Suite("The table of sessions")
struct SessionTableTests {
  private let table = SessionTable(SessionCensus.Bounds(all: 10, each: 10), workers: 1)

  private func open(of party: UInt64) throws -> Session {
    let session = Session(
      id: SessionID(worker: 0), party: .address(ClientAddress(high: party, low: 0)), view: .all,
      handshake: Session.Handshake(.r20250618), replay: 10_000, resumeWindow: 100, now: 0)
    guard case .admitted = table.insert(session, now: 0) else { throw Full() }
    return session
  }

  private struct Full: Error {}

  @Test("whoever stays is met by a walk in slices, whoever ends or comes meanwhile", arguments: [1, 2, 3, 100])
  func rows(atMost count: Int) throws {
    let staying = try (0..<4).map { _ in try open(of: 1) }
    let leaving = try (0..<4).map { _ in try open(of: 2) }
    var met: Set<SessionID> = []
    var place = Int.max
    var gone = leaving.makeIterator()
    repeat {
      let slice = table.slice(of: 0, before: &place, atMost: count)
      #expect(slice.count <= count)
      for session in slice { met.insert(session.id) }
      if let session = gone.next() { #expect(table.remove(session.id) === session) }
      if met.count == 3 { _ = try open(of: 3) }
    } while place > 0
    #expect(met.isSuperset(of: staying.map(\.id)))
    #expect(table.slice(of: 0, before: &place, atMost: count).isEmpty)
    for session in leaving { _ = table.remove(session.id) }
    #expect(Set(table.all(of: 0).map(\.id)).isSuperset(of: staying.map(\.id)) && table.all.count == table.size)
  }

  @Test("what is refused is in no row")
  func refused() throws {
    for number in 0..<10 { try open(of: UInt64(number)).noteUse() }
    #expect(throws: Full.self) { _ = try open(of: 11) }
    #expect(table.all.count == 10)
  }

  @Test("what a session subscribed to counts until it takes that back, and ends with it")
  func subscriptions() throws {
    let session = try open(of: 1)
    let subscription = Subscription(interest: ResourceInterest(upstream: 0, uri: [1]))
    func subscribe(_ name: String, _ wanted: Bool = true) -> Bool {
      session.withState { $0.subscribe(Array(name.utf8), wanted ? subscription : nil, atMost: 10) }
    }
    #expect(subscribe("12345678") && subscribe("12345678"), "the same one counts once")
    #expect(subscribe("ab") && !subscribe("c"))
    #expect(subscribe("nothing", false) && !subscribe("c"))
    for _ in 0..<3 { #expect(subscribe("12345678", false) && subscribe("abcdefgh") && subscribe("abcdefgh", false)) }
    #expect(subscribe("12345678"))
    let remains = try #require(session.end())
    #expect(Set(remains.subscriptions.keys) == [Array("12345678".utf8), Array("ab".utf8)])
    #expect(session.end() == nil && !subscribe("x") && session.withState { $0.subscriptions.isEmpty })
  }

  @Test("a call that outlives its session opens nothing that nobody would end")
  func outlived() throws {
    let session = try open(of: 1)
    let cluster = Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1))
    let own = session.upstream(cluster)
    #expect(session.upstream(cluster) === own && own.owner == session.id)
    #expect(session.end()?.upstreams.count == 1)
    let late = session.upstream(cluster)
    guard case .closed = late.access(RequestID(worker: 0, slot: 1, generation: 1)) else {
      Issue.record("it can be opened")
      return
    }
    #expect(session.takeUpstream(of: cluster) == nil)
  }

  @Test("a list change is told by the first who claims it, and no earlier one after it")
  func claims() throws {
    let session = try open(of: 1)
    #expect(session.claim(2) && !session.claim(2) && !session.claim(1) && session.claim(3))
    session.hears(after: 7)
    #expect(!session.claim(7) && session.claim(8))
    #expect(!session.takeNews())
    session.haveNews()
    #expect(session.takeNews() && !session.takeNews())
  }

  @Test("holds a session for idle that nothing was heard of for long, that has no call and no reader")
  func idle() throws {
    let session = try open(of: 1)
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

  @Test("hears of its end on the loops on which something of it has been under way, and nowhere else")
  func loops() throws {
    let session = try open(of: 1)
    #expect((0..<16).allSatisfy { !session.mayBe(on: $0) })
    for loop in [3, 3, 0] { #expect(session.enter(loop)) }
    #expect((0..<16).filter(session.mayBe) == [0, 3])
    #expect(session.enter(40))
    #expect(session.mayBe(on: 40))
    _ = session.end()
    // Who was there before hears of it; who comes now is told that it is over.
    #expect(session.enter(3))
    #expect(!session.enter(5))
  }
}
