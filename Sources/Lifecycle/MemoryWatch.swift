import Logging
import Reactor
import Sessions
import Workers

/// Carries out what `MemoryGuard` decides, on the control loop, and says in the log when loops make room.
public final class MemoryWatch {
  private let context: WorkerContext
  private let sessions: SessionTable
  private let mail: Mailboxes<MemoryGuard.Excess>
  private var memoryGuard = MemoryGuard()
  /// Of each loop.
  private var reliefWatches: [ReliefWatch] = []
  /// What is under way of giving up events.
  private var relief: ReplayRelief?

  /// - Parameter mail: reaches all workers.
  public init(_ context: WorkerContext, _ sessions: SessionTable, _ mail: Mailboxes<MemoryGuard.Excess>) {
    self.context = context
    self.sessions = sessions
    self.mail = mail
  }

  /// How often it is looked whether a full look is due. Between two looks at loopback's pace a peer can send less than what
  /// is left of the memory when half is in use.
  private static var glanceInterval: UInt64 { 500 }
  /// The same while half is in use.
  private static var fullInterval: UInt64 { 100 }

  /// Glances from now on, as long as the loop runs.
  public func begin() { glance(in: 0) }

  private func glance(in milliseconds: UInt64) {
    context.timers.after(milliseconds: milliseconds) { [unowned self] in glance(in: glance()) }
  }

  /// Costs one read, and a few words of each loop. Milliseconds until the next.
  private func glance() -> UInt64 {
    tellOfRelief()
    let use = System.memoryUse
    let isFull = memoryGuard.isShort || context.settings.allowance.fullest(use).exceeds(tenths: 5)
    if isFull { look() }
    return isFull ? Self.fullInterval : Self.glanceInterval
  }

  func look() {
    let logger = context.logger
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
      context.group.shed(shedding)
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
    if relief == nil {
      relief = ReplayRelief(of: excess.bytes, in: sessions)
      giveUpReplays()
    } else {
      relief?.adopt(excess.bytes)
    }
    mail.sendToWorkers(excess)
  }

  private func giveUpReplays() {
    relief?.next()
    guard relief?.isOver == false else {
      relief = nil
      return
    }
    context.timers.after(milliseconds: 1) { [unowned self] in giveUpReplays() }
  }

  private func tellOfRelief() {
    let logger = context.logger
    for (index, losses) in context.group.losses.enumerated() {
      if index == reliefWatches.count { reliefWatches.append(ReliefWatch()) }
      let name = index == context.group.workerCount ? "the control loop" : "worker \(index)"
      switch reliefWatches[index].look(losses, now: context.now) {
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
    let allowance = context.settings.allowance
    let inGroup = allowance.group.flatMap { ControlGroups(System.text).memoryUse($0) }
    return allowance.fullest(System.memoryUse, inGroup: inGroup)
  }
}
