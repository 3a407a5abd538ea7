import MCP
import Testing

@testable import Supervision

@Suite("Fetches of an upstream's lists")
struct ListRefreshStateTests {
  private typealias State = ListRefreshState<Int>

  @Test("who asks first begins a fetch, and all who ask meanwhile share the next")
  func sharing() {
    var state = State()
    #expect(state.ask(.tools, 1, isStale: false, now: 10) == .fetch)
    #expect(state.ask(.tools, 2, isStale: false, now: 11) == .wait)
    #expect(state.ask(.tools, 3, isStale: true, now: 12) == .wait)
    #expect(state.underWay == .tools)
    var ended = state.ended(.tools, isGood: true, now: 20)
    #expect(ended.released == [1] && ended.again)
    // What came while the second was under way may be older than a third question.
    #expect(state.ask(.tools, 4, isStale: false, now: 21) == .wait)
    ended = state.ended(.tools, isGood: true, now: 30)
    #expect(ended.released == [2, 3] && ended.again)
    ended = state.ended(.tools, isGood: true, now: 40)
    #expect(ended.released == [4] && !ended.again && state.underWay.isEmpty)
  }

  @Test("a list waits for no other")
  func kinds() {
    var state = State()
    #expect(state.ask(.tools, 1, isStale: false, now: 0) == .fetch)
    #expect(state.ask(.resources, 2, isStale: false, now: 0) == .fetch)
    #expect(state.ended(.resources, isGood: true, now: 5).released == [2])
    #expect(state.underWay == .tools)
  }

  @Test("nobody waits for longer than one may, and for a slow server only because of what it told")
  func patience() {
    var state = State()
    let late = State.patience
    #expect(state.ask(.tools, 1, isStale: false, now: 0) == .fetch)
    #expect(state.ask(.tools, 2, isStale: false, now: 1) == .wait)
    #expect(state.takeImpatient(late - 1).isEmpty)
    #expect(state.takeImpatient(late) == [1, 2])
    #expect(state.takeImpatient(late + 1).isEmpty)
    #expect(state.ask(.tools, 3, isStale: true, now: late + 1) == .serve)
    var ended = state.ended(.tools, isGood: true, now: 2 * late)
    #expect(ended.released.isEmpty && !ended.again)
    #expect(state.ask(.tools, 4, isStale: false, now: 2 * late) == .fetchAside)
    #expect(state.ask(.tools, 5, isStale: false, now: 2 * late) == .serve)
    #expect(state.ask(.tools, 6, isStale: true, now: 2 * late) == .wait)
    ended = state.ended(.tools, isGood: true, now: 2 * late + 5)
    #expect(ended.released.isEmpty && ended.again)
    #expect(state.ended(.tools, isGood: true, now: 2 * late + 9).released == [6])
    #expect(state.ask(.tools, 7, isStale: false, now: 2 * late + 9) == .fetch)
  }

  @Test("what could be had again is asked for as soon after the next failure as after the first")
  func recovery() {
    func delay(_ state: inout State, _ now: UInt64) -> UInt64 {
      _ = state.ask(.tools, 1, isStale: true, now: now)
      _ = state.ended(.tools, isGood: false, now: now)
      return state.notBefore(.tools) - now
    }
    var state = State()
    var now: UInt64 = 0
    for _ in 0..<6 { now += delay(&state, now) }
    let long = delay(&state, now)
    now += long
    #expect(state.ask(.tools, 1, isStale: true, now: now) == .fetch)
    _ = state.ended(.tools, isGood: true, now: now)
    #expect(state.notBefore(.tools) == 0)
    #expect(delay(&state, now) < long / 4)
  }

  @Test("what could not be had is served as it was, and asked for less and less often")
  func failures() {
    var state = State()
    #expect(state.ask(.tools, 1, isStale: true, now: 0) == .fetch)
    #expect(state.ask(.tools, 2, isStale: true, now: 0) == .wait)
    #expect(state.ended(.tools, isGood: false, now: 0).released == [1, 2])
    let first = state.notBefore(.tools)
    #expect((250...500).contains(first) && state.notBefore(.prompts) == 0)
    #expect(state.ask(.tools, 3, isStale: true, now: first - 1) == .serve)
    #expect(state.begin([.tools, .prompts], now: first - 1) == .prompts)
    #expect(state.ask(.tools, 4, isStale: true, now: first) == .fetch)
    #expect(state.ended(.tools, isGood: false, now: first).released == [4])
    let second = state.notBefore(.tools)
    #expect((500...1000).contains(second - first))
    #expect(state.ask(.tools, 5, isStale: true, now: second - 1) == .serve)
    #expect(state.ask(.tools, 6, isStale: true, now: second) == .fetch)
    #expect(state.ended(.tools, isGood: true, now: second).released == [6])
    #expect(state.ask(.tools, 7, isStale: true, now: second) == .fetch)
  }

  @Test("the gateway's own look takes what nobody fetches already")
  func own() {
    var state = State()
    #expect(state.ask(.tools, 1, isStale: true, now: 0) == .fetch)
    #expect(state.begin([.tools, .resources], now: 0) == .resources)
    #expect(state.ask(.resources, 2, isStale: true, now: 1) == .wait)
    #expect(state.ended(.resources, isGood: true, now: 2).again)
    #expect(state.takeAll() == [1, 2])
  }
}
