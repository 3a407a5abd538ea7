import Testing

@testable import Supervision

@Suite("What a server's going away means for calls")
struct AbsenceStateTests {
  private let grace: UInt64 = 2000

  /// One that has been of use for long, and is gone now.
  private func gone(at now: UInt64) -> AbsenceState {
    var state = AbsenceState()
    state.isUseful(now: 0)
    #expect(state.isGone(grace: grace, now: now) == .lookAgain(after: 0))
    return state
  }

  @Test("What was steady is looked at again at once, then after 10, 20, 40 and each 50 ms, until its grace is over")
  func steady() {
    var state = gone(at: 5000)
    #expect(state.isAwaited)
    for pause in [10, 20, 40, 50, 50] as [UInt64] {
      #expect(state.isGone(grace: grace, now: 5100) == .lookAgain(after: pause))
    }
    #expect(state.isGone(grace: grace, now: 7000) == .giveUp)
    #expect(!state.isAwaited)
  }

  @Test("What was never of use is not awaited, nor what goes at once after it first came")
  func neverSteady() {
    var state = AbsenceState()
    #expect(state.isGone(grace: grace, now: 0) == .giveUp)
    state.isUseful(now: 100)
    #expect(state.isGone(grace: grace, now: 1099) == .giveUp)
  }

  @Test("What is gone again before it has been steady is awaited for what is left of its grace")
  func goneAgain() {
    var state = gone(at: 5000)
    state.isUseful(now: 5600)
    #expect(!state.isAwaited)
    #expect(state.isGone(grace: grace, now: 5601) == .lookAgain(after: 10))
    #expect(state.isAwaited)
    state.isUseful(now: 6900)
    #expect(state.isGone(grace: grace, now: 7000) == .giveUp)
  }

  @Test("What has been steady again has all of its grace again")
  func steadyAgain() {
    var state = gone(at: 5000)
    state.isUseful(now: 5600)
    #expect(state.isGone(grace: grace, now: 6600) == .lookAgain(after: 0))
    #expect(state.isGone(grace: grace, now: 8599) == .lookAgain(after: 10))
  }
}
