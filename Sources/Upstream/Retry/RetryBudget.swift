import Wire

/// How many requests may go out again: a share of the calls of one worker, so that a server in trouble does not get
/// several times what it could not bear before; and a few each second whatever the calls, so that a quiet gateway
/// repeats too.
public struct RetryBudget: Sendable {
  /// What is not used is kept for so many repetitions.
  static let most: UInt64 = 1000
  /// Each second, in any case.
  static let floor: UInt64 = 10

  /// Percents of a repetition that each call brings.
  private let share: UInt64
  /// In percents of a repetition.
  private var credit: UInt64 = 0
  /// In thousandths of a repetition, which are as many as the floor has in a millisecond.
  private var reserve: UInt64 = floor * 1000
  private var reserveFrom: UInt64 = 0
  var random: SplitMix

  /// - Parameters:
  ///   - share: repetitions for each hundred calls.
  ///   - seed: of how pauses are spread.
  public init(share: UInt32, seed: UInt64) {
    self.share = UInt64(share)
    random = SplitMix(state: seed)
  }

  /// A call has begun.
  @inline(__always)
  public mutating func called() {
    credit = min(credit + share, Self.most * 100)
  }

  /// Whether one more request may go out again; if so it has.
  public mutating func take(now: UInt64) -> Bool {
    if credit >= 100 {
      credit -= 100
      return true
    }
    // Without a share nothing is repeated at all.
    guard share > 0 else { return false }
    let passed = now > reserveFrom ? min(now - reserveFrom, 1000) : 0
    reserve = min(reserve + passed * Self.floor, Self.floor * 1000)
    reserveFrom = max(reserveFrom, now)
    guard reserve >= 1000 else { return false }
    reserve -= 1000
    return true
  }
}
