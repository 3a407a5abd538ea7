/// Runs tasks on an event loop's thread, so that the control loop may use `async` beside synchronous callbacks.
///
/// A task prefers it from its beginning (`Task(executorPreference:)`): one that does not would be resumed on a thread of the
/// system's pool after each pause.
public final class LoopExecutor: TaskExecutor {
  private let handle: LoopHandle

  init(_ handle: LoopHandle) {
    self.handle = handle
  }

  public func enqueue(_ job: consuming ExecutorJob) {
    handle.post(UnownedJob(job))
  }
}
