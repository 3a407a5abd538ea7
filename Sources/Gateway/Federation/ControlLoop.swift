import Logging
import Reactor

/// The loop that looks after the upstreams, as its parts see it: they are touched on its thread alone, and may use `async`
/// beside callbacks.
final class ControlLoop: @unchecked Sendable {  // what changes is touched on the loop's thread alone
  let gateway: GatewayState
  /// The loop's own worker: no clients, but calls and streams toward upstreams like any other.
  let worker: Worker
  let logger: Logger
  /// Nothing is begun any more.
  private(set) var isStopped = false
  private let executor: LoopExecutor

  let group: WorkerGroup
  let context: WorkerContext
  /// What all loops share: settings, catalogues, sessions, what goes to clients, and conversations with upstreams.
  let currentSettings: CurrentSettings
  let shelf: CatalogueShelf
  let sessions: SessionsShared
  let deliveries: DeliveryShared
  let upstreams: UpstreamShared
  /// What goes to servers from this loop.
  let upstream: UpstreamClient

  init(_ gateway: GatewayState, _ worker: WorkerHandle, _ logger: Logger) {
    self.gateway = gateway
    self.worker = worker.unconfined
    self.logger = logger
    executor = worker.executor
    group = gateway.group
    context = self.worker.context
    currentSettings = gateway.currentSettings
    shelf = gateway.shelf
    sessions = gateway.sessionsShared
    deliveries = gateway.deliveries
    upstreams = gateway.upstream
    upstream = self.worker.upstream
  }

  var now: UInt64 { context.now }

  /// Of the moment. A change is news on this loop at once, before any other knows.
  var settings: Settings { currentSettings.value }

  func stop() { isStopped = true }

  // MARK: Any thread

  /// Runs `job` on the loop, after what this thread posted before.
  func post(_ job: @escaping @Sendable () -> Void) { group.run(on: group.workerCount, job) }

  // MARK: Tasks

  /// Begins a task with a turn to come. It is on the loop from its first line to its last: without that preference it would be
  /// resumed on a thread of the system's pool after each pause.
  func begin(_ task: @escaping @Sendable () async -> Void) {
    Task(executorPreference: executor, operation: task)
  }

  /// Begins a task at once: its first steps are done before this returns.
  func beginNow(_ task: @escaping @Sendable () async -> Void) {
    Task.immediate(executorPreference: executor, operation: task)
  }

  func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.timers.after(milliseconds: milliseconds, action)
  }

  func pause(_ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      after(milliseconds: milliseconds) { continuation.resume() }
    }
  }
}
