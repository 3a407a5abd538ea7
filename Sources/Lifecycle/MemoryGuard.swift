import Workers

/// Looks after the memory of the whole process, on the control loop: what peers have given back goes back to the system,
/// those who hold most make room when it gets short, and new work is refused before there is none left. `limits.memory`
/// bounds what loops buffer; this sees the rest too, such as sessions and their events.
public struct MemoryGuard {
  enum Action: Equatable {
    case none
    case trim
    case relieve(Excess)
    case shed(Bool)
  }

  /// What is to be given up of what is used.
  public struct Excess: Equatable, Sendable {
    var bytes: UInt64
    var used: UInt64

    /// Down to seven tenths.
    init(_ fill: Allowance.Fill) { self.init(bytes: fill.used - min(fill.used, fill.limit / 10 * 7), used: fill.used) }

    init(bytes: UInt64, used: UInt64) { (self.bytes, self.used) = (bytes, used) }

    /// What a loop that keeps `kept` bytes is left with: each gives up the same part. A thirty-second of all that is used
    /// is no part of the trouble and stays.
    func leaves(of kept: Int) -> Int {
      let small = Int(clamping: used / 32)
      guard kept > small, used > 0 else { return kept }
      let part = Double(min(bytes, used)) / Double(used)
      return max(small, kept - Int(Double(kept) * part))
    }
  }

  private(set) var isShedding = false
  /// The last look found that room has to be made.
  private(set) var isShort = false
  /// Unused bytes after the last trim, or fewer since.
  private var floor = Int64.max
  /// The fewest ever.
  private var lowest = Int64.max
  private var seen = Int64.max
  /// Whether a trim was made since it is quiet.
  private var isSettled = false

  /// So many unused bytes more are worth the work of giving them back at once,
  private static let worth: Int64 = 1 << 20
  /// and so many, once, when as many were unused at the last look: then it is quiet, and what could not be given back
  /// in the turmoil can be now.
  private static let worthInQuiet: Int64 = 64 << 10

  /// Above eight tenths of the fullest bound room is to be made, down to seven; above nine, work is refused as well until no
  /// more than eight are used, since what is given up may come too late. Where no bound is known nothing is asked. What is
  /// only unused is given back first: `didTrim` says that this was done a moment ago.
  mutating func look(_ fill: Allowance.Fill, unused: Int64, didTrim: Bool) -> Action {
    if didTrim {
      floor = unused
    } else if seen == .max || abs(unused - seen) >= Self.worthInQuiet / 4 {
      isSettled = false
    } else if !isSettled {
      isSettled = true
      if unused >= lowest + Self.worthInQuiet { return .trim }
    }
    seen = unused
    floor = min(floor, unused)
    lowest = min(lowest, unused)
    if !didTrim, unused >= floor + Self.worth { return .trim }
    guard fill.limit > 0 else { return .none }
    isShort = fill.exceeds(tenths: 8)
    let sheds = fill.exceeds(tenths: isShedding ? 8 : 9)
    if sheds != isShedding {
      isShedding = sheds
      return .shed(sheds)
    }
    return isShort ? .relieve(Excess(fill)) : .none
  }
}
