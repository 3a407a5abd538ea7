import Testing

@testable import Upstream

@Suite("Back-off")
struct BackoffTests {
  @Test("waits twice as long after each failure, and 30 s at most")
  func doubles() {
    var backoff = Backoff(seed: 7)
    for most: UInt64 in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
      let delay = backoff.failed()
      #expect((most / 2...most).contains(delay), "\(delay) of \(most)")
    }
    #expect(backoff.failures == 9)
  }

  @Test("begins anew once it went well")
  func succeeds() {
    var backoff = Backoff(seed: 7)
    for _ in 0..<5 { _ = backoff.failed() }
    backoff.succeeded()
    #expect((250...500).contains(backoff.delay()) && backoff.failures == 0)
    #expect((250...500).contains(backoff.failed()))
  }

  @Test("brings what failed together back at different times, the same for the same seed")
  func spreads() {
    func delays(_ seed: UInt32) -> [UInt64] {
      var backoff = Backoff(seed: seed)
      return (0..<6).map { _ in backoff.failed() }
    }
    #expect(delays(1) == delays(1))
    let first = (0..<100).map { delays($0 + 1)[0] }
    #expect(Set(first).count > 60)
    #expect(first.contains { $0 < 300 } && first.contains { $0 > 450 })
  }
}
