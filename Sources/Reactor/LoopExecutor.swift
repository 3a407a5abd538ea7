/// Runs an actor on an event loop's thread, so that the control plane may use `async` beside synchronous callbacks.
package final class LoopExecutor: SerialExecutor {
  private let handle: LoopHandle

  init(_ handle: LoopHandle) {
    self.handle = handle
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    handle.post(UnownedJob(job))
  }
}
