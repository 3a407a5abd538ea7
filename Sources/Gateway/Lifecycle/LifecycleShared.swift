import Reactor
import Synchronization

/// What the workers, and those who start and end them, know together of a gateway's life.
final class LifecycleShared: Sendable {
  /// Workers that accept connections.
  let openDoors = Atomic<Int>(0)
  /// Workers with calls in flight while draining.
  let busyWorkers = Atomic<Int>(0)
  /// What the listeners speak TLS with.
  let contexts: Mutex<ListenerContexts>
  let reloads = ReloadLog()
  let logLosses: LogLosses
  /// Memory that workers are to give up.
  let excess: Mailboxes<MemoryGuard.Excess>
  private let reaper: Reaper?

  init(_ group: WorkerGroup, contexts: ListenerContexts, logLosses: LogLosses, reaper: Reaper?) {
    self.contexts = Mutex(contexts)
    self.logLosses = logLosses
    self.reaper = reaper
    excess = Mailboxes(group)
  }

  /// How often the process that ends children after a crash had to be started again.
  var reaperRestarts: UInt64 { reaper?.restarts ?? 0 }
}
