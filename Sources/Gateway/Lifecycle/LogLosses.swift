import Synchronization

/// Lines of the log that were dropped because nobody read it fast enough.
package final class LogLosses: Sendable {
  private let lines = Atomic<UInt64>(0)

  package init() {}

  package func add(_ count: UInt64) { lines.add(count, ordering: .relaxed) }
  package var count: UInt64 { lines.load(ordering: .relaxed) }
}
