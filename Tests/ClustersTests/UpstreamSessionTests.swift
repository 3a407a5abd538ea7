import MCP
import Testing
import Wire

@testable import Clusters
@testable import Workers

@Suite("A conversation with an upstream")
struct UpstreamSessionTests {
  private let upstream = UpstreamSession(
    cluster: Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1)), owner: nil, abilities: [])
  private let first = UpstreamSession.Open(revision: .r20251125, httpSession: [1], link: nil)
  private let second = UpstreamSession.Open(revision: .r20251125, httpSession: [2], link: nil)
  private let uri = Array("file:///a".utf8)

  private func waiter(_ slot: Int) -> RequestID {
    RequestID(worker: 0, slot: slot, generation: 1)
  }

  private func id(_ worker: UInt8) -> SessionID {
    return SessionID(worker: worker)
  }

  @Test("The first who needs it opens it, the others wait")
  func opening() {
    guard case .yours = upstream.access(waiter(1)), case .waiting = upstream.access(waiter(2)) else {
      Issue.record("opened twice")
      return
    }
    #expect(upstream.opened(first)?.map(\.slot) == [1, 2])
    guard case .open(let open) = upstream.access(waiter(3)) else {
      Issue.record("not open")
      return
    }
    #expect(open.isSame(as: first))
  }

  @Test("Only who saw the conversation that is open can say that it was lost")
  func losing() {
    _ = upstream.access(waiter(1))
    _ = upstream.opened(first)
    #expect(!upstream.lost(second))
    #expect(upstream.lost(first))
    #expect(!upstream.lost(first))
    guard case .yours = upstream.access(waiter(2)) else {
      Issue.record("nobody opens a new one")
      return
    }
  }

  @Test(
    "A session of the same name is another conversation, whether another endpoint gave it or the same one once more",
    arguments: [0, 1])
  func namesake(_ endpoint: Int) {
    let former = UpstreamSession.Open(revision: .r20251125, httpSession: [1], link: nil, endpoint: 0)
    let next = UpstreamSession.Open(revision: .r20251125, httpSession: [1], link: nil, endpoint: endpoint)
    _ = upstream.access(waiter(1))
    _ = upstream.opened(former)
    #expect(upstream.lost(former))
    _ = upstream.access(waiter(1))
    upstream.begun(next, opens: true)
    #expect(upstream.isCurrent(next) && !upstream.isCurrent(former))
    _ = upstream.opened(next)
    // The end of the former one's stream is none of this one's, and is not made good.
    let end = NotificationStreamState.End(status: 0, wasAccepted: true, wasOfUse: true)
    #expect(upstream.unheard(former, end) == nil && upstream.hearAgain(former) == nil)
    #expect(upstream.hear(former, nil) == .settled && upstream.heard(former) == [])
    #expect(!upstream.suspend(former) && !upstream.lost(former))
    #expect(upstream.lost(next))
  }

  @Test("A conversation without a name is told from that with another endpoint")
  func nameless() {
    let former = UpstreamSession.Open(revision: .r20251125, httpSession: [], link: nil, endpoint: 0)
    let next = UpstreamSession.Open(revision: .r20251125, httpSession: [], link: nil, endpoint: 1)
    _ = upstream.access(waiter(1))
    _ = upstream.opened(next)
    #expect(!upstream.lost(former))
    #expect(upstream.lost(next))
  }

  @Test("Who needs one that is being ended waits until it has ended, and then opens another")
  func suspending() {
    _ = upstream.access(waiter(1))
    _ = upstream.opened(first)
    #expect(!upstream.suspend(second))
    #expect(upstream.suspend(first))
    #expect(upstream.current == nil && upstream.takeOpen() == nil && !upstream.suspend(first))
    guard case .waiting = upstream.access(waiter(2)) else { return #expect(Bool(false)) }
    #expect(upstream.failed().map(\.slot) == [2])
    guard case .yours = upstream.access(waiter(2)) else { return #expect(Bool(false)) }
  }

  @Test("What was declared otherwise is given up, once")
  func declaring() {
    _ = upstream.access(waiter(1))
    _ = upstream.opened(first)
    #expect(upstream.declare([]) == nil)
    #expect(upstream.declare(.roots)?.isSame(as: first) == true)
    #expect(upstream.abilities == .roots)
    #expect(upstream.declare([]) == nil, "nothing is open")
    guard case .yours = upstream.access(waiter(2)) else {
      Issue.record("nobody opens a new one")
      return
    }
  }

  @Test("What is closed while it opens is ended by who opened it, and stays closed")
  func closing() {
    _ = upstream.access(waiter(1))
    #expect(upstream.close() == nil)
    #expect(upstream.opened(first) == nil)
    guard case .closed = upstream.access(waiter(2)) else {
      Issue.record("opened again")
      return
    }
  }

  @Test("A session is open once its stream is, and a new one gets its own")
  func hearing() {
    _ = upstream.access(waiter(1))
    upstream.begun(first, opens: true)
    #expect(upstream.isCurrent(first) && !upstream.isCurrent(second) && upstream.current == nil)
    guard case .waiting = upstream.access(waiter(2)), case .waiting = upstream.hear(first, waiter(3)) else {
      Issue.record("nobody waits")
      return
    }
    #expect(upstream.heard(first).map(\.slot) == [3])
    #expect(upstream.opened(first)?.map(\.slot) == [1, 2])
    guard case .open = upstream.access(waiter(4)) else {
      Issue.record("not open")
      return
    }
    let end = NotificationStreamState.End(status: 0, wasAccepted: true, wasOfUse: true)
    #expect(upstream.unheard(second, end) == nil)
    guard case .again(let delay) = upstream.unheard(first, end), 250...500 ~= delay else {
      Issue.record("not opened again")
      return
    }
    guard case .unheard = upstream.access(waiter(5)), upstream.hear(first, waiter(5)) == .yours else {
      Issue.record("a call goes out without a stream")
      return
    }
    _ = upstream.lost(first)
    #expect(upstream.hear(first, nil) == .settled, "a stream of a session that is over")
    #expect(upstream.hearAgain(first) == nil)
    _ = upstream.access(waiter(6))
    _ = upstream.opened(second)
    guard case .open = upstream.access(waiter(7)) else {
      Issue.record("it has no stream to wait for")
      return
    }
  }

  @Test("The upstream is told of the last one who unsubscribes")
  func counting() {
    let (ada, bob) = (id(1), id(2))
    upstream.subscribe(uri, ada, isMarked: false)
    upstream.subscribe(uri, ada, isMarked: false)
    upstream.subscribe(uri, bob, isMarked: true)
    #expect(!upstream.unsubscribe(uri, ada))
    #expect(upstream.subscribers(of: uri).mapValues(\.isMarked) == [bob: true])
    #expect(upstream.unsubscribe(uri, bob))
    #expect(upstream.subscriptions.isEmpty)
  }

  @Test("A session that ends leaves what nobody else subscribed to")
  func forgetting() {
    let (ada, bob) = (id(1), id(2))
    let other = Array("file:///b".utf8)
    upstream.subscribe(uri, ada, isMarked: false)
    upstream.subscribe(other, ada, isMarked: false)
    upstream.subscribe(other, bob, isMarked: false)
    #expect(upstream.forget(ada, [uri, other, Array("file:///c".utf8)]) == [uri])
    #expect(upstream.subscriptions == [other])
  }

  @Test("A subscription covers what lies below its URI, and nothing beside it")
  func covering() {
    func covers(_ parent: String, _ uri: String) -> Bool { UpstreamSession.covers(Array(parent.utf8), Array(uri.utf8)) }
    #expect(covers("file:///a", "file:///a"))
    #expect(covers("file:///a", "file:///a/b"))
    #expect(covers("file:///a/", "file:///a/b"))
    #expect(!covers("file:///a", "file:///ab"))
    #expect(!covers("file:///a/b", "file:///a"))
  }
}
