import Synchronization

/// Lines of the log that were dropped because nobody read it fast enough.
public final class LogLosses: Sendable {
  private let lines = Atomic<UInt64>(0)

  public init() {}

  public func add(_ count: UInt64) { lines.add(count, ordering: .relaxed) }
  public var count: UInt64 { lines.load(ordering: .relaxed) }
}
