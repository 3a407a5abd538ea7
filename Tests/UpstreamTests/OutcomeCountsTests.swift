import Testing

@testable import Upstream

@Suite struct OutcomeCountsTests {
  @Test func countsWhatEndedWellAndWhatFailedAndNothingElse() {
    var counts = OutcomeCounts()
    counts.add(.withdrawn)
    #expect(counts.isEmpty)
    counts.add(.success)
    counts.add(.failure(.timeout))
    counts.add(.success)
    let taken = counts.take()
    #expect(taken.successes == 2 && taken.failures == 1)
    #expect(counts.isEmpty)
  }
}
