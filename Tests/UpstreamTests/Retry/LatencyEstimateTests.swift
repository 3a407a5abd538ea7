import Testing
import Wire

@testable import Upstream

@Suite("How long calls take")
struct LatencyEstimateTests {
  @Test("Each time lies in its step, and no step is wider than a quarter")
  func steps() {
    for time in 0..<80_000 as Range<UInt64> {
      let step = LatencyEstimate.step(of: time)
      guard step < 63 else { continue }
      let end = LatencyEstimate.end(of: step)
      if time >= end || step > 0 && time < LatencyEstimate.end(of: step - 1) || end > time + max(1, time / 4) {
        Issue.record("\(time) ms in step \(step)")
        return
      }
    }
    #expect(LatencyEstimate.step(of: .max) == 63)
  }

  @Test("Says nothing before there are enough calls")
  func enough() {
    var estimate = LatencyEstimate()
    for _ in 0..<19 { estimate.add(5) }
    #expect(estimate.p95 == nil)
    estimate.add(5)
    #expect(estimate.p95 == 6)
  }

  @Test("Is within a quarter of what 95 of 100 calls take")
  func quantile() {
    for seed in 1...200 as ClosedRange<UInt64> {
      var random = SplitMix(state: seed)
      var estimate = LatencyEstimate()
      var times: [UInt64] = []
      let scale = 1 + random.next() % 500
      for _ in 0..<400 {
        // Most are short, some are long.
        let time = (random.next() % scale) * (random.next() % 10 == 0 ? 10 : 1)
        times.append(time)
        estimate.add(time)
      }
      times.sort()
      let truth = times[(times.count * 95 + 99) / 100 - 1]
      let found = estimate.quantile(percent: 95)
      #expect(found + 1 >= truth * 3 / 4 && found <= truth * 5 / 4 + 2, "seed \(seed): \(found), not \(truth)")
    }
  }

  @Test("Follows a server that has become slower, or faster")
  func follows() throws {
    var estimate = LatencyEstimate()
    for (time, calls) in [(10, 2000), (500, 200), (20, 3000)] as [(UInt64, Int)] {
      for _ in 0..<calls { estimate.add(time) }
      let p95 = try #require(estimate.p95)
      #expect((time...time * 5 / 4 + 1).contains(p95))
    }
  }

  @Test("Counts never grow beyond their words")
  func fades() {
    var estimate = LatencyEstimate()
    for _ in 0..<200_000 { estimate.add(3) }
    #expect(estimate.p95 == 4)
  }
}

@Suite("Hedged reads")
struct HedgeStateTests {
  private let estimate: LatencyEstimate = {
    var estimate = LatencyEstimate()
    for _ in 0..<100 { estimate.add(100) }
    return estimate
  }()

  private func both() -> HedgeState {
    var state = HedgeState()
    var budget = RetryBudget(share: 20, seed: 1)
    _ = state.began(estimate, hedges: true)
    _ = state.due(hasOther: true, &budget, now: 0)
    return state
  }

  @Test("A second attempt begins when the first takes longer than most calls do")
  func begins() {
    var state = HedgeState()
    var budget = RetryBudget(share: 20, seed: 1)
    #expect(state.began(estimate, hedges: true) == 112)
    #expect(state.due(hasOther: true, &budget, now: 0) == .begin)
    #expect(state.due(hasOther: true, &budget, now: 0) == .none)
  }

  @Test("There is none where it is not wanted, where little is known, where there is no other, and beyond the budget")
  func doesNotBegin() {
    var state = HedgeState()
    var budget = RetryBudget(share: 20, seed: 1)
    #expect(state.due(hasOther: true, &budget, now: 0) == .none)
    #expect(state.began(estimate, hedges: false) == nil && state.due(hasOther: true, &budget, now: 0) == .none)
    #expect(state.began(LatencyEstimate(), hedges: true) == nil)
    #expect(state.began(estimate, hedges: true) != nil && state.due(hasOther: false, &budget, now: 0) == .none)
    var empty = RetryBudget(share: 0, seed: 1)
    #expect(state.due(hasOther: true, &empty, now: 0) == .none)
  }

  @Test("What is always answered at once is given a moment all the same")
  func shortest() {
    var quick = LatencyEstimate()
    for _ in 0..<100 { quick.add(0) }
    var state = HedgeState()
    #expect(state.began(quick, hedges: true) == 10)
  }

  @Test("Whichever answers first is the answer, and the other is cancelled")
  func answers() {
    for leg in [HedgeState.Leg.first, .second] {
      var state = both()
      #expect(state.answered(leg) == .answer(cancel: leg.other))
      #expect(state.answered(leg.other) == .none && state.failed(leg.other) == .none)
    }
    var alone = HedgeState()
    _ = alone.began(estimate, hedges: true)
    #expect(alone.answered(.first) == .answer(cancel: nil))
    var budget = RetryBudget(share: 20, seed: 1)
    #expect(alone.due(hasOther: true, &budget, now: 0) == .none)
  }

  @Test("One that fails leaves it to the other; when both have, the call has failed")
  func failures() {
    for leg in [HedgeState.Leg.first, .second] {
      var state = both()
      #expect(state.failed(leg) == .wait && state.failed(leg) == .none)
      var other = state
      #expect(state.failed(leg.other) == .fail)
      #expect(other.answered(leg.other) == .answer(cancel: nil))
    }
  }
}
