import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Runs an actor on an event loop's thread, so that the control plane may use `async` beside synchronous callbacks.
///
/// A task that is to run nowhere else must prefer it too, `Task(executorPreference:)`: one that was suspended is otherwise
/// resumed on a thread of the system's pool, only to be sent on from there.
package final class LoopExecutor: SerialExecutor, TaskExecutor {
  private let handle: LoopHandle
  /// The thread that runs the loop; 0 before it does.
  private let thread = Atomic<UInt>(0)

  init(_ handle: LoopHandle) {
    self.handle = handle
  }

  /// The calling thread is the loop's from now on.
  func adopt() { thread.store(UInt(pthread_self()), ordering: .relaxed) }

  package func isIsolatingCurrentContext() -> Bool? { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  package func checkIsolated() {
    precondition(isIsolatingCurrentContext() == true, "not on the thread of this event loop")
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    handle.post(UnownedJob(job))
  }
}
