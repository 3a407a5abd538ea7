import CReactor

#if canImport(Glibc)
  import Glibc
#endif

/// Threads of the gateway: one per event loop.
package final class Thread: Sendable {
  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private let handle: UInt

  package init(name: String, _ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(name, body)).toOpaque()
    let code = unsafe pthread_create(
      &thread, nil,
      { start in
        let start = unsafe Unmanaged<Start>.fromOpaque(start!).takeRetainedValue()
        unsafe start.name.withCString { unsafe cr_system_name_thread($0) }
        start.body()
        return nil
      }, start)
    precondition(code == 0, "can't start a thread")
    handle = UInt(thread)
  }

  package func join() { unsafe pthread_join(pthread_t(handle), nil) }
}

/// What the process runs on.
package enum System {
  /// Processors that this process may use, by affinity and cgroup quota.
  package static var processors: Int { Int(cr_system_processors()) }

  /// Raises the soft limit on descriptors to the hard one: what it was and what it is now.
  package static func raiseDescriptors() -> (before: UInt64, now: UInt64) {
    var before: UInt64 = 0
    let now = unsafe cr_system_raise_descriptors(&before)
    return (before, now)
  }

  /// Bytes of memory that this process may use: the machine's, or what a cgroup allows; 0 if unknown.
  package static var memory: UInt64 { cr_system_memory() }

  /// Bytes of this process that are in memory now; 0 if unknown.
  package static var residentMemory: UInt64 { cr_system_resident() }

  /// Bytes that the allocator holds and nobody uses.
  package static var unusedMemory: Int64 { cr_system_unused() }

  /// Gives pages that nobody uses back to the system.
  package static func trimMemory() { cr_system_trim() }

  /// One of our own environment variables.
  package static func environment(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
}

extension System {
  /// Blocks the calling thread, which must not be a loop's.
  package static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }

  /// Milliseconds of the monotonic clock.
  package static var uptime: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(max(time.tv_sec, 0)) * 1000 + UInt64(time.tv_nsec / 1_000_000)
  }

  /// Milliseconds since 1970-01-01T00:00:00Z by the wall clock, which may be set back.
  package static var wallClock: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(time.tv_sec, 0)) * 1000 + UInt64(time.tv_nsec / 1_000_000)
  }
}
