import Logging
import Reactor

#if canImport(Glibc)
  import Glibc
#endif

/// Starts the reaper again when somebody or something has ended it. On the main thread, which watches it whatever else it
/// waits for.
final class ReaperWatch {
  private let reaper: Reaper
  private let logger: Logger
  /// poll(2) says POLLERR of it once it has died; -1 if there is no reaper any more.
  private(set) var descriptor: Int32

  init(_ reaper: Reaper, _ logger: Logger) {
    self.reaper = reaper
    self.logger = logger
    descriptor = reaper.descriptor
  }

  /// Looks whether it lives, for who can't wait for it.
  func look() {
    var entry = pollfd(fd: descriptor, events: 0, revents: 0)
    if poll(&entry, 1, 0) > 0 { restart() }
  }

  func restart() {
    // Whoever ends it again and again shall not have all of this thread.
    if reaper.restarts > 0 { System.sleep(milliseconds: 100) }
    do throws(ReactorError) {
      if try reaper.restart() {
        logger.error("the process that ends children after a crash had died; there is another one now")
      }
      descriptor = reaper.descriptor
    } catch {
      logger.error(
        "the process that ends children after a crash has died and can't be started again: \(error); a crash would leave them"
      )
      descriptor = -1
    }
  }
}
