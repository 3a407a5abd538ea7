import MCP
import Testing

@testable import Catalogue
@testable import ServedCatalogue
@testable import Supervision

@Suite("What an upstream tells of its lists, and what clients are told")
struct ListAnnouncementsTests {
  private let view = CatalogueView.only(upstream: 3)

  private func changes(_ kinds: ListKinds) -> Catalogues.Changes {
    var changes = Catalogues.Changes()
    changes.legacy = ListChanges(kinds, ofUpstream: 3)
    return changes
  }

  @Test("a change that was told is owed to clients until the list was fetched, and once")
  func owed() {
    var state = ListAnnouncements()
    state.told([.resources, .templates], isEcho: false, now: 0)
    #expect(state.take(.tools).isEmpty)
    // One notification speaks of both, so it is told once, whichever was fetched.
    #expect(state.take(.resources) == [.resources, .templates])
    #expect(state.take(.templates).isEmpty)
    state.giveBack([.resources, .templates])
    #expect(state.take([.resources, .templates]) == [.resources, .templates])
  }

  @Test("what several conversations say of one change is told once")
  func echoes() {
    var state = ListAnnouncements()
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 100) == 0)
    _ = state.takeTelling(waited: false, seen: view, now: 100)
    state.told(.tools, isEcho: true, now: 100 + ListAnnouncements.moment - 1)
    #expect(state.take(.tools).isEmpty)
    state.told(.tools, isEcho: true, now: 100 + ListAnnouncements.moment)
    #expect(state.take(.tools) == .tools)
    state.told(.tools, isEcho: false, now: 101)
    #expect(state.take(.tools) == .tools)
  }

  @Test("a client's own conversation brings nothing new where all have been told")
  func covered() {
    var state = ListAnnouncements()
    #expect(state.covered(.tools, since: 50, seen: view).isEmpty)
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 60) == 0)
    #expect(state.covered([.tools, .prompts], since: 50, seen: view) == .tools)
    _ = state.takeTelling(waited: false, seen: view, now: 60)
    #expect(state.covered(.tools, since: 60 + ListAnnouncements.moment, seen: view) == .tools)
    #expect(state.covered(.tools, since: 61 + ListAnnouncements.moment, seen: view).isEmpty)
  }

  @Test("looks that bring nothing come less and less often, and nothing is forgotten meanwhile")
  func looks() {
    var state = ListAnnouncements()
    var now: UInt64 = 0
    var waits: [UInt64] = []
    for _ in 0..<12 {
      let wait = state.lookLater(notBefore: 0, now: now)
      #expect(state.lookLater(notBefore: 0, now: now) == nil)
      now += wait ?? 0
      waits.append(wait ?? 0)
      state.lookIsDue()
      state.looked(wasDifferent: false, isStaleAgain: true, now: now)
    }
    #expect(waits == [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
    // After a quiet time it is as at first.
    #expect(state.lookLater(notBefore: 0, now: now + 60_000) == 50)
  }

  @Test("a change after a change is looked at soon, and after a failure not before it may be")
  func soon() {
    var state = ListAnnouncements()
    state.looked(wasDifferent: true, isStaleAgain: false, now: 1000)
    #expect(state.lookLater(notBefore: 0, now: 1001) == 50)
    state.lookIsDue()
    #expect(state.lookLater(notBefore: 1700, now: 1200) == 500)
  }

  @Test("tellings that lead to tellings come less and less often, all of them together")
  func tellings() {
    var state = ListAnnouncements()
    #expect(state.tell(changes([]), different: [], equal: [], now: 0) == nil)
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 0) == 0)
    #expect(state.takeTelling(waited: false, seen: view, now: 0).changes.legacy[view] == .tools)
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 2) == 48)
    #expect(state.tell(changes(.prompts), different: [], equal: .prompts, now: 3) == nil)
    let telling = state.takeTelling(waited: true, seen: view, now: 50)
    #expect(telling.changes.legacy[view] == [.tools, .prompts] && telling.equal == .prompts)
    #expect(telling.changes.legacy[.all] == [.tools, .prompts] && telling.changes.legacy[.only(upstream: 1)] == [])
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 52) == 98)
    _ = state.takeTelling(waited: true, seen: view, now: 150)
    #expect(state.tell(changes(.tools), different: .tools, equal: [], now: 1000) == 0)
  }
}
