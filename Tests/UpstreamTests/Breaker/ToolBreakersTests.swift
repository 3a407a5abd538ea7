import Testing

@testable import Upstream

@Suite("Circuit breakers of tools")
struct ToolBreakersTests {
  private static let broken = CallOutcome.failure(.internalError)

  private func breakers(_ policy: BreakerPolicy = BreakerPolicy(failureRate: 0)) -> ToolBreakers {
    ToolBreakers(policy, seed: 3)
  }

  private func call(
    _ breakers: ToolBreakers, _ tool: UInt64, _ outcome: CallOutcome, at now: UInt64, times: Int = 1
  ) -> BreakerChange {
    var change = BreakerChange.none
    for _ in 0..<times {
      guard let pass = breakers.admit(tool, now: now).pass else { break }
      change = breakers.ended(tool, pass, outcome, now: now)
    }
    return change
  }

  @Test("A tool that fails three times in a row is not called for a while, and the others are")
  func opens() throws {
    let breakers = breakers()
    let time = try #require(call(breakers, 7, Self.broken, at: 0, times: 3).openTime)
    #expect(breakers.admit(7, now: 1) == .refused(retryAfter: time - 1))
    for tool in 8..<200 as Range<UInt64> { #expect(breakers.admit(tool, now: 1).pass != nil) }
  }

  @Test("One call finds out whether it works again; then nothing is kept of it")
  func probes() throws {
    let breakers = breakers()
    let time = try #require(call(breakers, 7, Self.broken, at: 0, times: 3).openTime)
    let probe = try #require(breakers.admit(7, now: time).pass)
    #expect(probe.isProbe && breakers.admit(7, now: time).pass == nil)
    breakers.released(7, probe, now: time)
    #expect(call(breakers, 7, .success, at: time) == .closed && breakers.isEmpty)
  }

  @Test("There is nothing as long as nothing fails, and after a success")
  func empty() {
    let breakers = breakers()
    #expect(call(breakers, 7, .success, at: 0, times: 100) == .none && breakers.isEmpty)
    _ = call(breakers, 7, Self.broken, at: 0, times: 2)
    #expect(!breakers.isEmpty)
    _ = call(breakers, 7, .success, at: 0)
    #expect(breakers.isEmpty)
  }

  @Test("Connections are the endpoint's, and hold nothing against a tool")
  func connections() throws {
    let breakers = breakers()
    for failure in [CallOutcome.Failure.transport, .refused] {
      #expect(call(breakers, 7, .failure(failure), at: 0, times: 9) == .none && breakers.isEmpty)
    }
    let time = try #require(call(breakers, 7, .failure(.timeout), at: 0, times: 3).openTime)
    // A probe that such a thing happens to gives its place back.
    #expect(call(breakers, 7, .failure(.transport), at: time) == .none)
    #expect(breakers.admit(7, now: time).pass?.isProbe == true)
  }

  @Test("A share of failures within the window opens it, too")
  func rate() {
    let breakers = breakers(BreakerPolicy(threshold: 0, failureRate: 50, minimumCalls: 20))
    for _ in 0..<9 {
      #expect(call(breakers, 7, Self.broken, at: 0) == .none)
      #expect(call(breakers, 7, .success, at: 0) == .none)
    }
    #expect(call(breakers, 7, Self.broken, at: 0, times: 2) != .none)
  }

  @Test("What is over is forgotten when somebody looks")
  func forgets() {
    let breakers = breakers(BreakerPolicy(threshold: 0, failureRate: 50, window: 1000))
    _ = call(breakers, 7, Self.broken, at: 0)
    _ = call(breakers, 7, .success, at: 0)
    #expect(breakers.phases(now: 500).map(\.tool) == [7])
    #expect(breakers.phases(now: 2000).isEmpty && breakers.isEmpty)
  }

  @Test("There are no more than a bound; those that are not open give way")
  func bound() {
    let breakers = breakers()
    let most = UInt64(ToolBreakers.most)
    for tool in 1...most { _ = call(breakers, tool, Self.broken, at: tool) }
    _ = call(breakers, 1000, Self.broken, at: 1000, times: 3)
    #expect(breakers.phases(now: 1000).map(\.tool) == Array(2...most) + [1000])
    for tool in 2000..<2000 + most { _ = call(breakers, tool, Self.broken, at: 1000, times: 3) }
    let phases = breakers.phases(now: 1000)
    #expect(
      phases.count == ToolBreakers.most && phases.contains { $0.tool == 1000 } && !phases.contains { $0.tool == 9 })
    #expect(phases.allSatisfy { $0.phase != .closed })
  }

  @Test("An operator forgets them")
  func reset() {
    let breakers = breakers()
    _ = call(breakers, 7, Self.broken, at: 0, times: 3)
    breakers.reset()
    #expect(breakers.isEmpty && breakers.admit(7, now: 0).pass != nil)
  }
}
