/// Names a connection or a child process of one event loop: worker, slot and generation.
///
/// A connection belongs to one loop for life; anywhere else it is this number. A stale one is noticed, never dangling.
public struct ConnectionID: Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Names nothing.
  public static let none = ConnectionID(rawValue: 0)

  public var isNone: Bool { rawValue == 0 }

  public static func == (a: ConnectionID, b: ConnectionID) -> Bool { a.rawValue == b.rawValue }

  /// Ids are given out here, so nobody can choose ones that collide: a multiplication spreads them well enough.
  public func _rawHashValue(seed: Int) -> Int {
    Int(truncatingIfNeeded: (rawValue &* 0x9E37_79B9_7F4A_7C15).byteSwapped) ^ seed
  }

  /// The index of the loop that it lives on.
  public var worker: Int { Int(rawValue >> 56) }
}

/// What became of bytes that were handed to a connection.
public enum WriteOutcome: Sendable {
  case taken
  /// Taken, but the queue is above its high mark: pause the source until the handler's `drained`.
  case full
  /// There is no such connection any more, or nothing is due on it.
  case stale
}
