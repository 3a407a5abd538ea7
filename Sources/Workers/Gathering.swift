import Synchronization

/// Something that several others must have done, or that is done without them when its time is up. Fires once.
public final class Gathering: Sendable {
  private let outstanding: Mutex<Int>

  public init(_ count: Int) { outstanding = Mutex(count) }

  /// One more is done; true for the last of them.
  public func arrive() -> Bool {
    outstanding.withLock { count in
      guard count > 0 else { return false }
      count -= 1
      return count == 0
    }
  }

  /// Whether all have arrived, or the time was up.
  public var isOver: Bool { outstanding.withLock { $0 == 0 } }

  /// The time is up; true if they had not all arrived.
  public func expire() -> Bool {
    outstanding.withLock { count in
      defer { count = 0 }
      return count > 0
    }
  }
}
