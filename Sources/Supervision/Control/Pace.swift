/// When something may be done again that has itself as a consequence now and then: at once after a quiet time, else after a
/// pause, and after twice as long each time while it goes on. Nothing is left out, but what comes meanwhile waits.
struct Pace {
  /// The shortest and the longest pause, in milliseconds.
  private let least: UInt64
  private let most: UInt64
  private var gap: UInt64
  private var lastAt: UInt64?

  init(least: UInt64 = 50, most: UInt64 = 30_000) {
    self.least = least
    self.most = most
    gap = least
  }

  /// The earliest time for the next time.
  mutating func next(_ now: UInt64) -> UInt64 {
    guard let lastAt else { return now }
    if now >= lastAt + 2 * gap {
      gap = least
      return now
    }
    return max(now, lastAt + gap)
  }

  /// It was done.
  /// - Parameter isRepetition: it leads nowhere, or the next time waited already while it was done.
  mutating func done(_ now: UInt64, isRepetition: Bool) {
    lastAt = now
    gap = isRepetition ? min(2 * gap, most) : least
  }
}
