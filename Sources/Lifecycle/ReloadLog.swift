import Front
import Reactor
import Synchronization

/// How reloads have gone.
public final class ReloadLog: Sendable {
  private let state = Mutex(ReloadCounts(lastSuccess: System.wallClock))

  public var counts: ReloadCounts { state.withLock { $0 } }

  public func count(succeeded: Bool) {
    state.withLock { counts in
      counts.lastFailed = !succeeded
      if succeeded {
        counts.succeeded += 1
        counts.lastSuccess = System.wallClock
      } else {
        counts.failed += 1
      }
    }
  }
}
