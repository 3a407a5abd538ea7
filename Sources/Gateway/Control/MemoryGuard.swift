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

  /// Refuses above nine tenths of the fullest bound, and takes work again below eight; where none is known nothing is
  /// refused. What is only unused is given back first: `didTrim` says that this was done a moment ago.
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
    let wanted = fill.exceeds(tenths: isShedding ? 8 : 9)
    if wanted == isShedding { return .none }
    isShedding = wanted
    return .shed(wanted)
  }
}

extension Worker {
  /// How often it is looked whether a full look is due. Between two looks at loopback's pace a peer can send less than what
  /// is left of the memory when half is in use.
  private static var glanceInterval: UInt64 { 500 }

  /// A glance costs one read; on the control loop.
  func glanceAtMemory() {
    let use = System.memoryUse
    if memoryGuard.isShedding || settings.allowance.fullest(use).exceeds(tenths: 5) { guardMemory() }
    loop.startTimer(milliseconds: Self.glanceInterval, token: TimerToken.glance.rawValue)
  }

  /// One look, by the control loop.
  func guardMemory() {
    var fill = memoryFill
    var action = memoryGuard.look(fill, unused: System.unusedMemory, didTrim: false)
    if action == .trim {
      System.trimMemory()
      fill = memoryFill
      action = memoryGuard.look(fill, unused: System.unusedMemory, didTrim: true)
    }
    guard case .shed(let shedding) = action else { return }
    gateway.shed(shedding)
    if shedding {
      logger.error(
        "memory is running out: new work is refused (503) until less than eight tenths of \(fill.limit >> 20) MiB are in use"
      )
    } else {
      logger.notice("there is memory again: new work is taken")
    }
  }

  private var memoryFill: Allowance.Fill {
    let allowance = settings.allowance
    let inGroup = allowance.group.flatMap { ControlGroups(System.text).memoryUse($0) }
    return allowance.fullest(System.memoryUse, inGroup: inGroup)
  }
}
