import Reactor
import Synchronization
import Workers

/// What the workers, and those who start and end them, know together of a gateway's life.
public final class LifecycleShared: Sendable {
  /// Workers that accept connections.
  public let openDoors = Atomic<Int>(0)
  /// Workers with calls in flight while draining.
  public let busyWorkers = Atomic<Int>(0)
  /// What the listeners speak TLS with.
  public let contexts: Mutex<ListenerContexts>
  public let reloads = ReloadLog()
  public let logLosses: LogLosses
  /// Memory that workers are to give up.
  public let excess: Mailboxes<MemoryGuard.Excess>
  private let reaper: Reaper?

  public init(_ group: WorkerGroup, contexts: ListenerContexts, logLosses: LogLosses, reaper: Reaper?) {
    self.contexts = Mutex(contexts)
    self.logLosses = logLosses
    self.reaper = reaper
    excess = Mailboxes(group)
  }

  /// How often the process that ends children after a crash had to be started again.
  public var reaperRestarts: UInt64 { reaper?.restarts ?? 0 }
}
