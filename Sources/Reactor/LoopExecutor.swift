import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Runs an actor on an event loop's thread, so that the control plane may use `async` beside synchronous callbacks.
package final class LoopExecutor: SerialExecutor {
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
