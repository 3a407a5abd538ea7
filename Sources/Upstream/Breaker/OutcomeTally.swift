/// The calls that ended well at one endpoint on one worker, for the share of those that fail: no other worker touches
/// this, and a breaker hears of it only while calls fail. It holds those of the last half of a window or two, as a
/// share of failures without those that went well before is none.
public struct OutcomeTally: Sendable {
  /// So many are handed in at once, and so often in a window.
  private static let batch: UInt32 = 32

  private var current: UInt32 = 0
  private var former: UInt32 = 0
  /// When the half of the window ends that `current` counts.
  private var halfEnds: UInt64 = 0
  private var handedInAt: UInt64 = 0

  public init() {}

  /// A call has succeeded.
  @inline(__always)
  mutating func count(_ now: UInt64, window: UInt64) {
    if now >= halfEnds { turn(now, window) }
    current &+= 1
  }

  private mutating func turn(_ now: UInt64, _ window: UInt64) {
    let half = max(1, window / 2)
    former = halfEnds > 0 && now - halfEnds < half ? current : 0
    current = 0
    halfEnds = now + half
  }

  /// Whether the breaker is to hear of them.
  func isDue(_ now: UInt64, window: UInt64) -> Bool {
    current &+ former >= Self.batch || now >= handedInAt + window / UInt64(Self.batch)
  }

  /// What has not been handed in yet.
  mutating func take(_ now: UInt64) -> UInt32 {
    // What is older than a window does not count.
    let sum = now < halfEnds ? current &+ former : 0
    current = 0
    former = 0
    handedInAt = now
    return sum
  }
}
