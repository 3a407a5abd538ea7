import Configuration
import MCP
import Testing

@testable import Catalogue
@testable import Federation
@testable import ServedCatalogue
@testable import WorkerBench

@Suite("While a reload settles")
struct SettlingTests {
  private func changes(_ kinds: ListKinds) -> Catalogues.Changes {
    var changes = Catalogues.Changes()
    changes.legacy = ListChanges(kinds, ofUpstream: 0)
    return changes
  }

  @Test("nothing is held back as long as none does")
  func quiet() {
    var state = SettlingState()
    #expect(state.announce(changes(.tools))?.legacy[.all] == .tools)
    #expect(state.end().all.isEmpty && !state.isSettling)
  }

  @Test("what changes is told together when it is over, once")
  func together() {
    let session = SessionID(worker: 0)
    var state = SettlingState()
    let turn = state.begin()
    #expect(state.isAt(turn) && state.announce(changes(.tools)) == nil && state.announce(changes(.prompts)) == nil)
    #expect(state.announce(ListChanges(.resources, ofUpstream: 0), to: session) == nil)
    let told = state.end()
    #expect(told.all.legacy[.all] == [.tools, .prompts] && told.sessions[session]?[.all] == .resources)
    #expect(!state.isAt(turn) && state.end().all.isEmpty)
  }

  @Test("another one has its own time, and tells what the first had to tell")
  func another() {
    var state = SettlingState()
    let first = state.begin()
    _ = state.announce(changes(.tools))
    let second = state.begin()
    #expect(!state.isAt(first) && state.isAt(second))
    #expect(state.end().all.legacy[.all] == .tools)
  }

  @Test("a client hears of a server that comes once for each kind of list, whatever its names were before")
  func onceEach() throws {
    let upstream = BenchUpstream("a")
    let bench = try WorkerBench(upstream) { $0.prefix = .conditional }
    let client = try bench.client()
    client.listen()
    let before = client.heard.count
    try bench.reload(upstream, BenchUpstream("b"))
    bench.advance(milliseconds: 5000)
    let told = client.heard[before...].compactMap { $0["method"].string }.filter { $0.hasSuffix("/list_changed") }
    #expect(Set(told).count == told.count && told.contains("notifications/tools/list_changed"), "\(told)")
  }

  @Test("a server that says nothing keeps nobody from hearing of the others for long")
  func silentServer() throws {
    let upstream = BenchUpstream("a")
    let bench = try WorkerBench(upstream) { $0.prefix = .conditional }
    let client = try bench.client()
    client.listen()
    let silent = BenchUpstream("b")
    silent.on("initialize") { _ in }
    try bench.reload(upstream, silent)
    let changed = { client.heard.count { $0["method"].string == "notifications/tools/list_changed" } }
    bench.advance(milliseconds: 1000)
    #expect(changed() == 0)
    bench.advance(milliseconds: 3000)
    #expect(changed() == 1)
  }
}
