import CReactor
import Synchronization

/// The tiny process that ends our children when we are gone, however we went.
@safe
public final class Reaper: @unchecked Sendable {  // loops add to a list of atomics; the rest is the main thread's
  let raw: OpaquePointer
  private let count = Atomic<UInt64>(0)

  /// Must run before the first thread is started.
  public init() throws(ReactorError) {
    var made: OpaquePointer?
    let error = unsafe cr_reaper_start(&made)
    guard let made = unsafe made else { throw ReactorError(error) }
    unsafe raw = made
  }

  deinit { unsafe cr_reaper_stop(raw) }

  /// poll(2) says POLLERR of it once the process has died.
  public var descriptor: Int32 { unsafe cr_reaper_descriptor(raw) }

  /// Starts another process for one that has died, with the same list of children.
  /// - Returns: whether it had died.
  public func restart() throws(ReactorError) -> Bool {
    var hasStarted = false
    let error = unsafe cr_reaper_restart(raw, &hasStarted)
    guard cr_failed(error) == 0 else { throw ReactorError(error) }
    if hasStarted { count.add(1, ordering: .relaxed) }
    return hasStarted
  }

  /// How often that was needed.
  public var restarts: UInt64 { count.load(ordering: .relaxed) }
}
