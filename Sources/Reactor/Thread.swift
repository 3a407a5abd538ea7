import CReactor

#if canImport(Glibc)
  import Glibc
#endif

/// Threads of the gateway: one per event loop.
public final class Thread: Sendable {
  private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private let handle: UInt

  public init(name: String, _ body: @escaping @Sendable () -> Void) {
    guard let thread = Self.start(name, body) else { preconditionFailure("can't start a thread") }
    handle = UInt(thread)
  }

  private static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
    var thread = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(name, body))
    let code = unsafe pthread_create(
      &thread, nil,
      { start in
        let start = unsafe Unmanaged<Start>.fromOpaque(start!).takeRetainedValue()
        unsafe start.name.withCString { unsafe cr_system_name_thread($0) }
        start.body()
        return nil
      }, start.toOpaque())
    if code != 0 { unsafe start.release() }
    return code == 0 ? thread : nil
  }

  /// Begins a thread that nobody waits for. False where the system has none.
  public static func begin(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    guard let handle = start(name, body) else { return false }
    pthread_detach(handle)
    return true
  }

  public func join() { pthread_join(pthread_t(handle), nil) }
}

/// What the process runs on.
public enum System {
  /// Processors that this process may run on, by its affinity.
  public static var processors: Int { Int(cr_system_processors()) }

  /// Raises the soft limit on descriptors to the hard one: what it was and what it is now.
  public static func raiseDescriptors() -> (before: UInt64, now: UInt64) {
    var before: UInt64 = 0
    let now = unsafe cr_system_raise_descriptors(&before)
    return (before, now)
  }

  /// Bytes of memory that the machine has; 0 if unknown.
  public static var machineMemory: UInt64 { cr_system_machine_memory() }

  /// Bytes of a process: its address space, what of it is in memory, and its data.
  public struct MemorySizes: Sendable, Equatable {
    public var space: UInt64
    public var resident: UInt64
    public var data: UInt64

    public init(space: UInt64, resident: UInt64, data: UInt64) {
      self.space = space
      self.resident = resident
      self.data = data
    }

    fileprivate init(_ sizes: cr_memory_sizes) {
      self.init(space: sizes.space, resident: sizes.resident, data: sizes.data)
    }
  }

  /// What rlimits let this process have; `UInt64.max` where there is none.
  public static var memoryLimits: MemorySizes { MemorySizes(cr_system_memory_limits()) }

  /// What this process has now; 0 if unknown.
  public static var memoryUse: MemorySizes { MemorySizes(cr_system_memory_use()) }

  /// A small file, such as those below `/proc` and `/sys`; nil if there is none or it has 256 KiB or more.
  public static func text(of path: String) -> String? {
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256 << 10) { bytes in
      let length = unsafe bytes.withMemoryRebound(to: CChar.self) {
        unsafe cr_system_read(path, $0.baseAddress, $0.count)
      }
      return length < 0 ? nil : unsafe String(decoding: bytes.prefix(length), as: UTF8.self)
    }
  }

  /// Bytes that the allocator holds and nobody uses.
  public static var unusedMemory: Int64 { cr_system_unused() }

  /// Gives pages that nobody uses back to the system.
  public static func trimMemory() { cr_system_trim() }

  /// One of our own environment variables.
  public static func environment(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
}

extension System {
  /// Blocks the calling thread, which must not be a loop's.
  public static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }

  /// Milliseconds of the monotonic clock.
  public static var uptime: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(max(time.tv_sec, 0)) * 1000 + UInt64(time.tv_nsec / 1_000_000)
  }

  /// Milliseconds since 1970-01-01T00:00:00Z by the wall clock, which may be set back.
  public static var wallClock: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(time.tv_sec, 0)) * 1000 + UInt64(time.tv_nsec / 1_000_000)
  }

  /// Minutes since then, by the same clock.
  public static var minute: UInt32 { UInt32(clamping: wallClock / 60_000) }
}
