import Wire

/// When something that failed is tried again: twice as long after each failure in a row, up to a longest delay, and
/// spread, so that what failed together does not come back together. A value without I/O: the same seed gives the same
/// delays.
public struct Backoff: Sendable {
  /// The bounds of a delay before it is spread, in milliseconds.
  static let shortest: UInt64 = 500
  static let longest: UInt64 = 30_000

  /// In a row.
  public private(set) var failures: UInt32 = 0
  /// 0 until there is a first failure: most things never fail.
  private var word: UInt32

  /// - Parameter seed: 0 for one at random.
  public init(seed: UInt32 = 0) { word = seed }

  /// It failed. For how many milliseconds it is left alone.
  public mutating func failed() -> UInt64 {
    if failures < .max { failures += 1 }
    return delay()
  }

  public mutating func succeeded() { failures = 0 }

  /// For how many milliseconds it is left alone as things are.
  public mutating func delay() -> UInt64 { spread(Self.delay(after: failures)) }

  /// The delay after so many failures in a row, before it is spread.
  static func delay(after failures: UInt32) -> UInt64 { delay(after: failures, within: shortest...longest) }

  /// The same within other bounds.
  public static func delay(after failures: UInt32, within bounds: ClosedRange<UInt64>) -> UInt64 {
    let doublings = UInt64(min(max(failures, 1) - 1, 32))
    let (delay, overflows) = bounds.lowerBound.multipliedReportingOverflow(by: 1 << doublings)
    return overflows ? bounds.upperBound : min(delay, bounds.upperBound)
  }

  /// Between half of a delay and all of it.
  private mutating func spread(_ delay: UInt64) -> UInt64 {
    if word == 0 { word = .random(in: 1 ... .max) }
    var random = SplitMix(state: UInt64(word))
    word = UInt32(truncatingIfNeeded: random.next()) | 1
    return delay / 2 + UInt64.random(in: 0...delay / 2, using: &random)
  }
}
