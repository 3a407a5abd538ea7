import Testing
import Upstream

@testable import UpstreamHealth

@Suite("Restarts of a process")
struct RestartStateTests {
  private func running(_ policy: RestartPolicy = RestartPolicy(), at now: UInt64 = 0) -> RestartState {
    var state = RestartState(policy, seed: 11)
    _ = state.wanted(now: now)
    return state
  }

  /// It dies, and is started again as soon as may be. When that was; nil if it is not.
  private func restart(_ state: inout RestartState, diesAt now: UInt64) -> UInt64? {
    guard state.ended(now: now) == .none else { return nil }
    let start = state.nextTick
    #expect(state.tick(now: start - 1) == .none)
    return state.tick(now: start) == .start ? start : nil
  }

  @Test("Starts when it is needed, once")
  func starts() {
    var state = RestartState(RestartPolicy(), seed: 11)
    #expect(state.phase == .stopped && state.nextTick == .max)
    #expect(state.wanted(now: 5) == .start && state.wanted(now: 6) == .none && state.phase == .running(since: 5))
  }

  @Test("Comes back soon after its death, and later each time it dies at once")
  func backoff() throws {
    var state = running(RestartPolicy(limit: 100))
    var now: UInt64 = 0
    for longest in [100, 200, 400, 800, 1600, 2000, 2000] as [UInt64] {
      let start = try #require(restart(&state, diesAt: now))
      #expect((longest / 2...longest).contains(start - now))
      now = start + 10
    }
  }

  @Test("A longer run before its death makes it the first again")
  func steadyRun() throws {
    var state = running()
    var now: UInt64 = 0
    for _ in 0..<4 { now = try #require(restart(&state, diesAt: now)) + 10 }
    now += 10_000
    #expect(try #require(restart(&state, diesAt: now)) - now <= 100)
  }

  @Test("Says for how long whoever needs it has to wait")
  func waiting() {
    var state = running()
    #expect(state.retryAfter(now: 0) == nil)
    _ = state.ended(now: 1000)
    #expect(state.wanted(now: 1000) == .none)
    #expect((50...100).contains(state.retryAfter(now: 1000) ?? 0) && state.retryAfter(now: 9000) == 1)
  }

  @Test("Has failed when it dies after ten restarts within a minute, and stays so until it is reset")
  func limit() throws {
    var state = running()
    var now: UInt64 = 0
    for _ in 0..<10 { now = try #require(restart(&state, diesAt: now)) + 10 }
    #expect(now < 60_000 && state.ended(now: now) == .giveUp && state.phase == .failed(since: now))
    #expect(state.wanted(now: now) == .none && state.tick(now: now + 1_000_000) == .none && state.nextTick == .max)
    #expect(state.reset(now: now) == .start)
    #expect(restart(&state, diesAt: now) != nil)
  }

  @Test("Restarts of longer ago do not count")
  func window() throws {
    var state = running(RestartPolicy(limit: 3, window: 60_000))
    var now: UInt64 = 0
    for _ in 0..<50 { now = try #require(restart(&state, diesAt: now)) + 21_000 }
  }

  @Test("A limit of nothing makes the first death the last")
  func noRestarts() {
    var state = running(RestartPolicy(limit: 0))
    #expect(state.ended(now: 100_000) == .giveUp)
  }

  @Test("What waits for its time is started at once when it is reset")
  func resetWhileWaiting() {
    var state = running()
    _ = state.ended(now: 10)
    #expect(state.reset(now: 11) == .start && state.reset(now: 12) == .none)
  }

  // MARK: Idle

  @Test("Is stopped when nobody has used it for so long, and started by the next who needs it")
  func idle() {
    var state = running(RestartPolicy(idleStop: 60_000))
    state.callBegan()
    #expect(state.nextTick == .max && state.tick(now: 200_000) == .none)
    state.callEnded(now: 200_000)
    #expect(state.nextTick == 260_000 && state.tick(now: 259_999) == .none)
    #expect(state.tick(now: 260_000) == .stop && state.phase == .stopping)
    #expect(state.ended(now: 260_010) == .none && state.phase == .stopped)
    #expect(state.wanted(now: 300_000) == .start && state.nextTick == 360_000)
  }

  @Test("Who needs it while it stops gets another as soon as it is gone")
  func wantedWhileStopping() {
    var state = running(RestartPolicy(idleStop: 1000))
    #expect(state.tick(now: 1000) == .stop && state.wanted(now: 1001) == .none)
    #expect(state.ended(now: 1002) == .start && state.phase == .running(since: 1002))
  }

  @Test("Stops that were wanted are no deaths")
  func stopsDoNotCount() {
    var state = running(RestartPolicy(limit: 1, idleStop: 1000))
    var now: UInt64 = 0
    for _ in 0..<20 {
      now = state.nextTick
      #expect(state.tick(now: now) == .stop && state.ended(now: now) == .none && state.wanted(now: now) == .start)
    }
    #expect(state.ended(now: now) == .none)
  }

  @Test("Its death ends the calls that it had")
  func callsOfTheDead() throws {
    var state = running(RestartPolicy(idleStop: 1000))
    state.callBegan()
    let start = try #require(restart(&state, diesAt: 10))
    #expect(state.nextTick == start + 1000)
  }
}
