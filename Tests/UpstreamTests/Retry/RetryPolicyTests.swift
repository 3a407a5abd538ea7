import Testing
import Wire

@testable import Upstream

@Suite("What may be asked twice")
struct RetryPolicyTests {
  @Test("Lists, reads, prompts, completions and pings may; what is settled with one endpoint may not")
  func methods() {
    let repeatable: Set<Method> = [
      .toolsList, .promptsList, .resourcesList, .resourcesTemplatesList, .resourcesRead, .promptsGet,
      .completionComplete, .ping, .serverDiscover,
    ]
    for method in Method.allCases {
      #expect(method.isRepeatable() == repeatable.contains(method), "\(method)")
    }
  }

  @Test("A tool may if it says so and its server is trusted")
  func tools() {
    for hints in [ToolHints.readOnly, .idempotent, [.readOnly, .idempotent]] {
      #expect(Method.toolsCall.isRepeatable(hints, trusted: true))
      #expect(!Method.toolsCall.isRepeatable(hints, trusted: false))
    }
    #expect(!Method.toolsCall.isRepeatable([], trusted: true))
    #expect(!Method.resourcesSubscribe.isRepeatable([.readOnly, .idempotent], trusted: true))
  }

  @Test("Only what just looks may go to two endpoints at once")
  func hedging() {
    for method in Method.allCases where method.isHedgeable() { #expect(method.isRepeatable(), "\(method)") }
    #expect(Method.resourcesRead.isHedgeable())
    #expect(Method.toolsCall.isHedgeable(.readOnly, trusted: true))
    #expect(!Method.toolsCall.isHedgeable(.idempotent, trusted: true) && !Method.toolsCall.isHedgeable(.readOnly))
  }

  @Test("Pauses double up to the longest")
  func pauses() {
    let policy = RetryPolicy(backoff: 25, longestBackoff: 150)
    #expect([0, 1, 2, 3, 4, 255].map { policy.longestPause(after: $0) } == [25, 25, 50, 100, 150, 150])
    #expect(RetryPolicy(backoff: .max).longestPause(after: 9) == .max)
  }
}

@Suite("The budget of repetitions")
struct RetryBudgetTests {
  private func taken(_ budget: inout RetryBudget, at now: UInt64) -> Int {
    var count = 0
    while count < 2000, budget.take(now: now) { count += 1 }
    return count
  }

  @Test("A fifth of the calls may be repeated, and ten a second in any case")
  func share() {
    var budget = RetryBudget(share: 20, seed: 1)
    #expect(taken(&budget, at: 0) == 10)
    for _ in 0..<100 { budget.called() }
    #expect(taken(&budget, at: 0) == 20)
    #expect(taken(&budget, at: 500) == 5)
    #expect(taken(&budget, at: 60_000) == 10)
  }

  @Test("What is not used is kept for a thousand repetitions")
  func cap() {
    var budget = RetryBudget(share: 20, seed: 1)
    for _ in 0..<100_000 { budget.called() }
    #expect(taken(&budget, at: 0) == 1010)
  }

  @Test("A budget of nothing is none")
  func none() {
    var budget = RetryBudget(share: 0, seed: 1)
    for _ in 0..<2000 { budget.called() }
    #expect(taken(&budget, at: 10_000) == 0)
  }
}
