import Testing

@testable import Clusters

@Suite("A broken event stream")
struct UpstreamRetryTests {
  @Test(
    "is taken up when its server asks, but neither at once nor never",
    arguments: [(0, 250), (500, 500), (599_999, 599_999), (UInt64.max, 600_000)] as [(UInt64, UInt64)])
  func asked(_ retry: UInt64, _ delay: UInt64) {
    #expect(UpstreamRetry.delay(asked: retry, otherwise: 1000) == delay)
    #expect(UpstreamRetry.delay(asked: nil, otherwise: retry) == delay)
  }
}
