/// How long calls to one endpoint take, as one worker sees it: a histogram whose steps grow with the time, each of them
/// a quarter of a power of two, and in which what was counted fades. Within a quarter of the truth, in 144 bytes.
public struct LatencyEstimate: Sendable {
  /// Calls without which nothing is said.
  static let enough: UInt32 = 20
  /// With so many all counts are halved: the last few hundred calls make up most of what there is.
  private static let most: UInt32 = 512
  private static let steps = 64

  private var counts = InlineArray<64, UInt16>(repeating: 0)
  private var total: UInt32 = 0
  private var cached: UInt32 = 0
  /// Until the next look at the histogram.
  private var untilLook: UInt32 = 0

  public init() {}

  /// A call was answered after so many milliseconds.
  public mutating func add(_ milliseconds: UInt64) {
    counts[Self.step(of: milliseconds)] += 1
    total += 1
    if total >= Self.most { fade() }
    if untilLook > 0 { untilLook -= 1 }
    guard total >= Self.enough, untilLook == 0 else { return }
    cached = UInt32(clamping: quantile(percent: 95))
    untilLook = 16
  }

  /// What 95 of 100 calls take no longer than, in milliseconds; nil as long as there are too few to say.
  public var p95: UInt64? { cached > 0 ? UInt64(cached) : nil }

  /// What so many of 100 calls take less than.
  func quantile(percent: UInt32) -> UInt64 {
    let rank = (total * percent + 99) / 100
    var sum: UInt32 = 0
    for step in 0..<Self.steps {
      sum += UInt32(counts[step])
      if sum >= rank { return Self.end(of: step) }
    }
    return Self.end(of: Self.steps - 1)
  }

  private mutating func fade() {
    total = 0
    for step in 0..<Self.steps {
      counts[step] /= 2
      total += UInt32(counts[step])
    }
  }

  /// 0, 1, 2 and 3 ms have a step each, then each power of two has four.
  static func step(of milliseconds: UInt64) -> Int {
    guard milliseconds >= 4 else { return Int(milliseconds) }
    let power = 63 - milliseconds.leadingZeroBitCount
    return min(4 * (power - 1) + Int(milliseconds >> UInt64(power - 2)) & 3, steps - 1)
  }

  /// The first time beyond a step.
  static func end(of step: Int) -> UInt64 {
    guard step >= 4 else { return UInt64(step) + 1 }
    return UInt64(step & 3 + 5) << UInt64(step / 4 - 1)
  }
}
