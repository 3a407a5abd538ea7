import Testing

@testable import UpstreamHealth

/// Whether calls wait for a server that is gone.
@Suite("A server that goes away")
struct AbsenceStateTests {
  private var state = AbsenceState()

  @Test("is looked at again at once, then more and more seldom, while its grace lasts")
  func grace() {
    var state = state
    state.isUseful(now: 0)
    #expect(!state.isAwaited)
    var pauses: [UInt64] = []
    var now: UInt64 = 5000
    while case .lookAgain(let pause) = state.isGone(grace: 300, now: now) {
      #expect(state.isAwaited)
      pauses.append(pause)
      now += pause
    }
    #expect(pauses == [0, 10, 20, 40, 50, 50, 50, 50, 50])
    #expect(!state.isAwaited)
  }

  @Test("is given up at once if it was not of use yet, or only for a moment")
  func momentary() {
    var state = state
    #expect(state.isGone(grace: 2000, now: 10) == .giveUp)
    state.isUseful(now: 100)
    #expect(state.isGone(grace: 2000, now: 349) == .giveUp)
    state.isUseful(now: 1000)
    #expect(state.isGone(grace: 2000, now: 1250) == .lookAgain(after: 0))
    // What is left of the grace is not taken from it.
    state.isUseful(now: 1600)
    #expect(state.isGone(grace: 2000, now: 1610) == .lookAgain(after: 10))
  }

  @Test("has a new grace once it was back")
  func back() {
    var state = state
    state.isUseful(now: 0)
    #expect(state.isGone(grace: 100, now: 2000) == .lookAgain(after: 0))
    #expect(state.isGone(grace: 100, now: 2050) == .lookAgain(after: 10))
    state.isUseful(now: 2060)
    #expect(!state.isAwaited)
    #expect(state.isGone(grace: 100, now: 4000) == .lookAgain(after: 0))
    #expect(state.isGone(grace: 100, now: 4099) == .lookAgain(after: 10))
    #expect(state.isGone(grace: 100, now: 4100) == .giveUp)
    #expect(state.isGone(grace: 100, now: 4110) == .giveUp)
  }

  @Test("again right after it was back has a new grace, but not for ever")
  func fallsOver() {
    var state = state
    state.isUseful(now: 0)
    #expect(state.isGone(grace: 2000, now: 5000) == .lookAgain(after: 0))
    var now: UInt64 = 5000
    for _ in 0..<AbsenceState.briefReturns {
      now += 1900
      state.isUseful(now: now)
      now += 999
      #expect(state.isGone(grace: 2000, now: now) == .lookAgain(after: 0))
      #expect(state.isAwaited)
    }
    state.isUseful(now: now + 1900)
    #expect(state.isGone(grace: 2000, now: now + 2000) == .giveUp)
    // What lasts is taken for sound again.
    state.isUseful(now: now + 3000)
    #expect(state.isGone(grace: 2000, now: now + 4000) == .lookAgain(after: 0))
  }

  @Test("that has no grace is looked at once more")
  func none() {
    var state = state
    state.isUseful(now: 0)
    #expect(state.isGone(grace: 0, now: 2000) == .lookAgain(after: 0))
    #expect(state.isGone(grace: 0, now: 2000) == .giveUp)
  }
}
