import Logging
import Reactor

/// Looks after the memory of the whole process, on the control loop: what peers have given back goes back to the system,
/// and new work is refused before there is none left. `limits.memory` bounds what loops buffer; this sees the rest too,
/// such as sessions and their events.
struct MemoryGuard {
  enum Action: Equatable {
    case none
    case trim
    case shed(Bool)
  }

  /// Bytes that the process may use; 0: unknown, nothing is refused.
  let limit: UInt64
  private(set) var isShedding = false
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

  init(limit: UInt64) {
    self.limit = limit
  }

  /// Refuses above nine tenths of the limit, and takes work again below eight. What is only unused is given back first:
  /// `didTrim` says that this was done a moment ago.
  mutating func look(resident: UInt64, unused: Int64, didTrim: Bool) -> Action {
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
    guard limit > 0 else { return .none }
    let wanted = resident > limit / 10 * (isShedding ? 8 : 9)
    if wanted == isShedding { return .none }
    isShedding = wanted
    return .shed(wanted)
  }
}

extension Worker {
  /// One look, by the control loop.
  func guardMemory() {
    var action = memoryGuard.look(
      resident: System.residentMemory, unused: System.unusedMemory, didTrim: false)
    if action == .trim {
      System.trimMemory()
      action = memoryGuard.look(resident: System.residentMemory, unused: System.unusedMemory, didTrim: true)
    }
    guard case .shed(let shedding) = action else { return }
    gateway.shed(shedding)
    let limit = memoryGuard.limit >> 20
    if shedding {
      logger.error(
        "memory is running out: new work is refused (503) until less than eight tenths of \(limit) MiB are in use")
    } else {
      logger.notice("there is memory again: new work is taken")
    }
  }
}
