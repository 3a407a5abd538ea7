import Testing

@testable import Membership

/// When a name is looked up, and what is made of the answers.
@Suite("A name that is followed")
struct NameStateTests {
  private var state = NameState(seed: 7)

  private mutating func isDue(_ now: UInt64) -> Bool { state.tick(now: now) }

  /// Looks it up, which must be due.
  private mutating func find(_ addresses: [String], now: UInt64) -> NameState.News {
    #expect(isDue(now))
    return state.found(addresses, now: now)
  }

  @Test("is looked up at once, and every half a minute or so from then on")
  mutating func interval() {
    #expect(!state.isSettled)
    #expect(find(["10.0.0.1"], now: 5) == .moved(["10.0.0.1"], ignored: 0))
    #expect(state.isSettled)
    var (pauses, now): (Set<UInt64>, UInt64) = ([], 5)
    for _ in 0..<50 {
      let next = state.nextTick
      #expect((27_000...33_000).contains(next - now) && !state.tick(now: next - 1))
      pauses.insert(next - now)
      now = next
      #expect(find(["10.0.0.1"], now: now) == .none)
    }
    #expect(pauses.count > 10)
  }

  @Test("is looked up once at a time, however long that takes")
  mutating func once() {
    #expect(isDue(0))
    #expect(state.nextTick == .max && !state.tick(now: 1_000_000))
    state.urge(now: 1_000_000)
    #expect(state.nextTick == .max)
  }

  @Test("keeps its addresses when nobody can tell or the answer is empty, and says so once")
  mutating func failure() {
    _ = find(["10.0.0.1", "10.0.0.2"], now: 0)
    var now = state.nextTick
    #expect(find([], now: now) == .failed("it has no address"))
    for _ in 0..<10 {
      #expect(state.nextTick > now && state.nextTick <= now + NameState.interval)
      now = state.nextTick
      #expect(isDue(now))
      #expect(state.failed("nobody can tell", now: now) == .none)
    }
    #expect(state.addresses == ["10.0.0.1", "10.0.0.2"])
    now = state.nextTick
    #expect(find(["10.0.0.2", "10.0.0.1"], now: now) == .recovered)
    now = state.nextTick
    #expect(find([], now: now) == .failed("it has no address"))
  }

  @Test("is asked for again soon after the first failures, and ever more seldom")
  mutating func backoff() {
    var now: UInt64 = 0
    var pauses: [UInt64] = []
    for _ in 0..<7 {
      #expect(isDue(now))
      _ = state.failed("nobody can tell", now: now)
      pauses.append(state.nextTick - now)
      now = state.nextTick
    }
    #expect(pauses == [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    #expect(state.isSettled && state.addresses.isEmpty)
  }

  @Test("is looked up within a second when something there does not answer, and not more often")
  mutating func urgent() {
    _ = find(["10.0.0.1"], now: 10_000)
    state.urge(now: 10_200)
    #expect(state.nextTick == 11_000)
    _ = find(["10.0.0.1"], now: 11_000)
    state.urge(now: 20_000)
    #expect(state.nextTick == 20_000)
    #expect(isDue(20_000))
    // What is under way may have been asked before that was known.
    state.urge(now: 20_100)
    _ = state.found(["10.0.0.1"], now: 25_000)
    #expect(state.nextTick == 25_000)
  }

  @Test("leads to what is in the answer, in whatever order it comes")
  mutating func order() {
    _ = find(["10.0.0.1", "10.0.0.2", "::1"], now: 0)
    #expect(find(["::1", "10.0.0.2", "10.0.0.1"], now: state.nextTick) == .none)
    #expect(
      find(["10.0.0.3", "10.0.0.2", "10.0.0.3"], now: state.nextTick) == .moved(["10.0.0.2", "10.0.0.3"], ignored: 0))
    #expect(state.addresses == ["10.0.0.2", "10.0.0.3"])
  }

  @Test("leads to so many at most, and of too many always to the same")
  mutating func bound() {
    let many = (0..<100).map { "10.0.0.\($0)" }
    #expect(find(many, now: 0) == .moved(Array(many[..<64]), ignored: 36))
    #expect(find(many.reversed(), now: state.nextTick) == .none)
    // Room that one leaves is taken.
    #expect(
      find(Array(many[1...]), now: state.nextTick) == .moved(Array(many[1..<65]), ignored: 35))
  }
}
