import MCP
import Testing

@testable import Clusters

@Suite("How fresh the lists of an upstream are")
struct ListFreshnessStateTests {
  @Test("what was never fetched is not fresh")
  func unknown() {
    let state = ListFreshnessState()
    #expect(!state.isFresh(.tools, now: 0, age: 1000) && state.lifetime(.tools, now: 0) == 0 && state.stale.isEmpty)
  }

  @Test("what is told before or while a list is fetched makes it stale until another fetch")
  func announcements() {
    var state = ListFreshnessState()
    let first = state.begin(.tools)
    state.announced(.tools)
    state.published(first, at: 0, .untilAnnounced)
    #expect(!state.isFresh(.tools, now: 0, age: 0) && state.stale == .tools)
    let second = state.begin(.tools)
    #expect(state.stale == .tools, "as long as it has not come")
    state.published(second, at: 1, .untilAnnounced)
    #expect(state.isFresh(.tools, now: .max, age: 0) && state.stale.isEmpty)
    state.announced([.resources, .templates])
    #expect(state.isFresh(.tools, now: 2, age: 0) && state.stale == [.resources, .templates])
  }

  @Test("an earlier fetch that ends later is no news")
  func order() {
    var state = ListFreshnessState()
    let slow = state.begin(.tools)
    state.announced(.tools)
    let quick = state.begin(.tools)
    #expect(state.isNews(slow) && state.isNews(quick))
    state.published(quick, at: 5, .until(100))
    #expect(!state.isNews(slow))
    state.published(slow, at: 9, .until(200))
    #expect(state.lifetime(.tools, now: 9) == 91 && state.stale.isEmpty)
  }

  @Test("a promise is kept to its end, and what is left of it is told")
  func promises() {
    var state = ListFreshnessState()
    state.published(state.begin(.tools), at: 10, .until(60))
    #expect(state.isFresh(.tools, now: 59, age: 0) && state.lifetime(.tools, now: 59) == 1)
    #expect(!state.isFresh(.tools, now: 60, age: 1000) && state.lifetime(.tools, now: 60) == 0)
    state.published(state.begin(.tools), at: 70, .until(70))
    #expect(!state.isFresh(.tools, now: 70, age: 1000), "0 is old at once")
    state.published(state.begin(.tools), at: 70, .until(500))
    state.announced(.tools)
    #expect(!state.isFresh(.tools, now: 71, age: 0) && state.lifetime(.tools, now: 71) == 0)
  }

  @Test("what its server says nothing of is as old as the configuration allows, and nobody may keep it")
  func age() {
    var state = ListFreshnessState()
    state.published(state.begin(.prompts), at: 100, .aged)
    #expect(state.isFresh(.prompts, now: 159, age: 60) && !state.isFresh(.prompts, now: 160, age: 60))
    #expect(!state.isFresh(.prompts, now: 100, age: 0), "0: asked each time")
    #expect(state.lifetime(.prompts, now: 101) == 0)
  }

  @Test("a client's own list is stale from the moment it was told to the end of the look")
  func own() {
    let lists = OwnLists()
    // What can't be copied can't stand in `#expect`.
    func stale() -> ListKinds {
      ListKind.allCases.reduce(into: []) { if lists.isStale($1) { $0.insert(ListKinds($1)) } }
    }
    func announced() -> ListKinds { lists.announced }
    func begin() -> ListKinds { lists.begin() }
    #expect(stale() == [])
    lists.announce([.tools, .resources])
    #expect(stale() == [.tools, .resources] && announced() == [.tools, .resources])
    #expect(begin() == [.tools, .resources])
    #expect(stale() == [.tools, .resources] && announced() == [])
    lists.announce(.tools)
    lists.end()
    #expect(stale() == .tools && announced() == .tools)
  }

  @Test("each list is for itself: what is told or fetched of one says nothing of another", arguments: ListKind.allCases)
  func apart(_ kind: ListKind) {
    var state = ListFreshnessState()
    for other in ListKind.allCases { state.published(state.begin(other), at: 0, .untilAnnounced) }
    state.announced(ListKinds(kind))
    #expect(state.stale == ListKinds(kind))
    for other in ListKind.allCases { #expect(state.isFresh(other, now: 1, age: 0) == (other != kind)) }
    state.published(state.begin(kind), at: 2, .until(50))
    #expect(state.stale.isEmpty && state.lifetime(kind, now: 10) == 40)
    for other in ListKind.allCases where other != kind { #expect(state.lifetime(other, now: 10) == 0) }
  }

  @Test("what is told during a client's own look is looked at in the next one, and nothing is looked at twice")
  func looks() {
    let lists = OwnLists()
    func begin() -> ListKinds { lists.begin() }
    lists.announce(.tools)
    #expect(begin() == .tools)
    lists.announce(.prompts)
    #expect(begin() == .prompts)
    lists.end()
    #expect(begin() == [])
  }
}
