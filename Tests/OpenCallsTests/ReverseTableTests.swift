import Catalogue
import MCP
import Testing

@testable import Clusters
@testable import OpenCalls
@testable import Sessions
@testable import Workers

/// Requests of servers on their way to clients, by the ids under which clients answer.
@Suite struct ReverseTableTests {
  private let cluster = Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1))

  private func session() -> Session {
    return Session(
      id: SessionID(worker: 0), party: .principal(.anonymous), view: .all,
      handshake: Session.Handshake(.r20251125), replay: 0, resumeWindow: 0, now: 0)
  }

  private func entry(_ session: Session, _ call: Int = 0) -> Reverse {
    Reverse(
      session: session, upstreamID: Token(Array("1".utf8).rawBytes), opened: nil, cluster: cluster,
      call: CallID(worker: 0, slot: call, generation: 1))
  }

  @Test("an answer counts once, and only from the session that was asked")
  func once() throws {
    var table = ReverseTable(worker: 3)
    let (ann, bob) = (session(), session())
    let made = table.make(entry(ann))
    let id = try #require(made)
    #expect(id.worker == 3)
    #expect(table.take(id, from: bob) == nil)
    #expect(table.take(id, from: ann) != nil)
    #expect(table.take(id, from: ann) == nil)
  }

  @Test("a number that was used names nothing that comes later in its place")
  func generations() throws {
    var table = ReverseTable(worker: 0)
    let ann = session()
    var used: [ReverseID] = []
    for _ in 0..<100 {
      let made = table.make(entry(ann))
      let id = try #require(made)
      for old in used { #expect(table.take(old, from: ann) == nil) }
      #expect(!used.contains(id))
      used.append(id)
      #expect(table.take(id, from: ann) != nil)
    }
    #expect(Set(used.map(\.slot)).count == 1)
  }

  @Test("what another process has asked is nothing that this one has asked")
  func processes() throws {
    var (old, new) = (ReverseTable(worker: 0, firstGeneration: 7), ReverseTable(worker: 0, firstGeneration: 8))
    let ann = session()
    let made = (old.make(entry(ann)), new.make(entry(ann)))
    let asked = try #require(made.0)
    #expect(made.1 != asked)
    #expect(new.take(asked, from: ann) == nil)
    #expect(old.take(asked, from: ann) != nil)
  }

  @Test("a server that asks a client without end leaves room for others, and for itself with others")
  func endless() throws {
    var table = ReverseTable(worker: 0)
    let (ann, bob) = (session(), session())
    let first = table.make(entry(ann))
    for _ in 1..<ReverseTable.mostOfServer { #expect(table.make(entry(ann)) != nil) }
    #expect(table.make(entry(ann)) == nil)
    #expect(table.make(entry(bob)) != nil)
    var other = entry(ann)
    other.cluster = Cluster(embedded: "other", Cluster.Name(number: 1, id: 2))
    #expect(table.make(other) != nil)
    let id = try #require(first)
    #expect(table.take(id, from: ann) != nil)
    #expect(table.make(entry(ann)) != nil)
    #expect(table.make(entry(ann)) == nil)
    #expect(table.takeAll { $0.session === ann }.count == ReverseTable.mostOfServer + 1)
    #expect(table.make(entry(ann)) != nil)
  }

  @Test("what only seems to belong to a call outlives it, and nothing else that it asked")
  func loosened() throws {
    var table = ReverseTable(worker: 0)
    let ann = session()
    let made = (table.make(entry(ann, 1)), table.make(entry(ann, 2)))
    var named = entry(ann, 1)
    named.upstreamID = Token(Array("\"1\"".utf8).rawBytes)
    let kept = table.make(named)
    table.loosen(Array("1".utf8).rawBytes, from: CallID(worker: 0, slot: 1, generation: 1))
    let withdrawn = table.takeAll { !$0.outlivesCall }
    #expect(withdrawn.map(\.id) == [try #require(made.1), try #require(kept)])
    let loose = try #require(made.0)
    #expect(table.take(loose, from: ann) != nil && table.isEmpty)
  }

  @Test("what was asked in the course of a call is taken with its ids, and its places are free again")
  func withdrawn() throws {
    var table = ReverseTable(worker: 0)
    let ann = session()
    let ids = (0..<4).compactMap { table.make(entry(ann, $0 % 2)) }
    let taken = table.takeAll { $0.call.slot == 1 }
    #expect(taken.map(\.id) == [ids[1], ids[3]])
    #expect(table.take(ids[1], from: ann) == nil)
    #expect(table.take(ids[0], from: ann) != nil)
    let made = table.make(entry(ann))
    let next = try #require(made)
    #expect(!ids.contains(next) && next.slot < 4)
  }
}
