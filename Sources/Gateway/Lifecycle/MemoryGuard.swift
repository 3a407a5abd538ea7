import Logging
import Reactor

/// Looks after the memory of the whole process, on the control loop: what peers have given back goes back to the system,
/// those who hold most make room when it gets short, and new work is refused before there is none left. `limits.memory`
/// bounds what loops buffer; this sees the rest too, such as sessions and their events.
struct MemoryGuard {
  enum Action: Equatable {
    case none
    case trim
    case relieve(Excess)
    case shed(Bool)
  }

  /// What is to be given up of what is used.
  struct Excess: Equatable {
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

extension Worker {
  /// How often it is looked whether a full look is due. Between two looks at loopback's pace a peer can send less than what
  /// is left of the memory when half is in use.
  private static var glanceInterval: UInt64 { 500 }
  /// The same while half is in use.
  private static var fullInterval: UInt64 { 100 }

  /// A glance costs one read, and a few words of each loop; on the control loop.
  func glanceAtMemory() {
    tellOfRelief()
    let use = System.memoryUse
    let isFull = memoryGuard.isShort || settings.allowance.fullest(use).exceeds(tenths: 5)
    if isFull { guardMemory() }
    let interval = isFull ? Self.fullInterval : Self.glanceInterval
    loop.startTimer(milliseconds: interval, token: TimerToken.glance.rawValue)
  }

  /// One look, by the control loop.
  func guardMemory() {
    var fill = memoryFill
    let wasShort = memoryGuard.isShort
    var action = memoryGuard.look(fill, unused: System.unusedMemory, didTrim: false)
    if action == .trim {
      System.trimMemory()
      fill = memoryFill
      action = memoryGuard.look(fill, unused: System.unusedMemory, didTrim: true)
    }
    switch action {
    case .none, .trim: break
    case .relieve(let excess):
      if !wasShort {
        let limit = fill.limit >> 20
        logger.notice(
          "memory is getting short: clients that hold most make room until seven tenths of \(limit) MiB are in use")
      }
      makeRoom(excess)
    case .shed(let shedding):
      gateway.group.shed(shedding)
      if shedding {
        makeRoom(MemoryGuard.Excess(fill))
        logger.error(
          "memory is running out: new work is refused (503) until less than eight tenths of \(fill.limit >> 20) MiB are in use"
        )
      } else {
        logger.notice("there is memory again: new work is taken")
      }
    }
  }

  /// Events that are kept for streams that nobody reads are given up, and workers end connections: in both the client that
  /// has most goes first.
  private func makeRoom(_ excess: MemoryGuard.Excess) {
    _ = gateway.sessions.giveUpReplays(excess.bytes)
    gateway.postToAll { $0.give(excess) }
  }

  private func give(_ excess: MemoryGuard.Excess) {
    giveUpRequests()
    let counts = loop.counts
    let kept = Int(clamping: counts.buffered) + Int(clamping: counts.held)
    loop.relieve(toBytes: excess.leaves(of: kept))
  }

  private func tellOfRelief() {
    for (index, losses) in gateway.losses.enumerated() {
      if index == reliefWatches.count { reliefWatches.append(ReliefWatch()) }
      let name = index == gateway.workerCount ? "the control loop" : "worker \(index)"
      switch reliefWatches[index].look(losses, now: now) {
      case .none: break
      case .began(let given):
        logger.warning(
          "\(name) makes room: it held \(losses.relievedFrom) bytes for its peers, so that \(given.connections) connections, with \(given.bytes) bytes, of the clients that hold most were ended; more may follow (limits.memory)"
        )
      case .ended(let given):
        logger.notice(
          "\(name) has made room: \(given.connections) connections, with \(given.bytes) bytes, were ended in all")
      }
    }
  }

  private var memoryFill: Allowance.Fill {
    let allowance = settings.allowance
    let inGroup = allowance.group.flatMap { ControlGroups(System.text).memoryUse($0) }
    return allowance.fullest(System.memoryUse, inGroup: inGroup)
  }
}
