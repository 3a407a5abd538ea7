import Testing

@testable import Front
@testable import Lifecycle

@Suite("How reloads have gone")
struct ReloadLogTests {
  private let log = ReloadLog()

  @Test("the start counts as one that went well, and as no reload")
  func start() {
    let counts = log.counts
    #expect(counts.succeeded == 0 && counts.failed == 0 && !counts.lastFailed && counts.lastSuccess > 0)
  }

  @Test("each counts, and how the last one went is known until the next")
  func counts() {
    for (succeeded, good, bad) in [(false, 0, 1), (false, 0, 2), (true, 1, 2), (true, 2, 2), (false, 2, 3)] {
      log.count(succeeded: succeeded)
      let counts = log.counts
      #expect(counts.lastFailed == !succeeded)
      #expect(counts.succeeded == UInt64(good) && counts.failed == UInt64(bad))
    }
  }

  @Test("one that failed is no success, however late it was")
  func lastSuccess() {
    let before = log.counts.lastSuccess
    log.count(succeeded: false)
    #expect(log.counts.lastSuccess == before)
    log.count(succeeded: true)
    #expect(log.counts.lastSuccess >= before)
  }
}

@Suite("Lines of the log that nobody read")
struct LogLossesTests {
  @Test("are added up from the start on")
  func sum() {
    let losses = LogLosses()
    #expect(losses.count == 0)
    for count: UInt64 in [3, 0, 40] { losses.add(count) }
    #expect(losses.count == 43)
  }
}
