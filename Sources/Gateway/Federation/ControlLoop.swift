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

  init(_ gateway: GatewayState, _ worker: WorkerHandle, _ logger: Logger) {
    self.gateway = gateway
    self.worker = worker.unconfined
    self.logger = logger
    executor = worker.executor
  }

  var now: UInt64 { worker.now }

  func stop() { isStopped = true }

  // MARK: Any thread

  /// Runs `job` on the loop, after what this thread posted before.
  func post(_ job: @escaping @Sendable () -> Void) { gateway.post(to: gateway.workerCount) { _ in job() } }

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
    worker.after(milliseconds: milliseconds, action)
  }

  func pause(_ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      after(milliseconds: milliseconds) { continuation.resume() }
    }
  }
}
