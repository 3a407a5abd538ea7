/// How long messages wait for somebody to listen, without any I/O. All times are milliseconds of one clock.
///
/// What a gateway that starts, or starts again, is not there for yet can wait a while, as nothing of it was sent.
struct Patience {
  private static let first: UInt64 = 50
  private static let longest: UInt64 = 1000

  /// What a message waits from its arrival on.
  private let limit: UInt64
  private var delay = first
  /// Nobody listened when it was last tried, and it is not time yet to try again.
  private(set) var isResting = false
  /// It was said that nobody listens there.
  private(set) var isTold = false

  init(milliseconds: UInt64) { limit = milliseconds }

  func isOver(for arrival: UInt64, at now: UInt64) -> Bool { now >= arrival + limit }

  /// Nobody listened. How long to wait before the next try.
  mutating func failed() -> UInt64 {
    isResting = true
    defer { delay = min(delay * 2, Self.longest) }
    return delay
  }

  mutating func tell() { isTold = true }

  mutating func rested() { isResting = false }

  /// Somebody listens.
  mutating func succeeded() {
    isResting = false
    isTold = false
    delay = Self.first
  }
}
