import MCP
import Reactor
import Testing

@testable import Catalogue
@testable import Delivery
@testable import ServedCatalogue
@testable import Sessions
@testable import Workers

@Suite("News of lists") struct ListNewsTests {
  private let news = ListNews()
  private let tools = ListChanges(.tools, ofUpstream: 0)

  private func begin(workers: Int = 2) -> ListChange {
    news.begin(forSessions: tools, forListens: ListChanges(), workers: workers)
  }

  @Test("a change is pending until every worker has told its clients, and changes keep their order")
  func pending() {
    #expect(news.pending.isEmpty && news.last == 0)
    let first = begin()
    let second = begin()
    #expect(news.pending.map(\.serial) == [1, 2] && news.last == 2)
    news.finished(first)
    news.finished(second)
    #expect(news.pending.map(\.serial) == [1, 2])
    news.finished(second)
    #expect(news.pending.map(\.serial) == [1])
    news.finished(first)
    #expect(news.pending.isEmpty && news.last == 2)
  }

  @Test("a client is told of a change by the first who asks, and of none that came before it did")
  func claims() {
    let session = Session(
      id: SessionID(worker: 0), party: .address(ClientAddress(high: 0, low: 1)), view: .all,
      handshake: Session.Handshake(.r20250618), replay: 100, resumeWindow: 100, now: 0)
    let old = begin()
    session.hears(after: news.last)
    let first = begin()
    let second = begin()
    #expect(!session.claim(old.serial))
    #expect(session.claim(first.serial) && !session.claim(first.serial))
    #expect(session.claim(second.serial) && !session.claim(first.serial) && !session.claim(second.serial))
  }

  @Test("templates have no notification of their own")
  func templates() {
    #expect(ListKind.templates.isTold(among: .templates))
    #expect(!ListKind.templates.isTold(among: [.templates, .resources]))
    #expect(ListKind.resources.isTold(among: [.templates, .resources]))
    #expect(!ListKind.tools.isTold(among: [.templates, .resources]))
  }
}
