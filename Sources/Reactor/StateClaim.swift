import Glibc

/// Says to other processes at which address this one uses the files of a name in a directory, for as long as it lives. Those
/// at the same address are one gateway, of which one process takes another's place.
///
/// A lock on one byte of a file, the byte being the address: locks of this kind go with their process, and tell whose they
/// are. Several of one process do not see one another.
public final class StateClaim: Sendable {
  private let descriptor: Int32
  /// A process that was there before, at another address.
  public let other: Int32?

  /// Nil where there can be none: whoever uses the files says why.
  public init?(_ name: String, at address: String, in directory: String) {
    let flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
    let descriptor = unsafe open("\(directory)/\(name)", flags, 0o600)
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
    let digest = address.utf8.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    let place = off_t(digest) + 1
    other =
      Self.holder(descriptor, from: 0, length: place) ?? Self.holder(descriptor, from: place + 1, length: 0)
    var own = Self.lock(F_RDLCK, from: place, length: 1)
    _ = unsafe fcntl(descriptor, F_SETLK, &own)
  }

  deinit { close(descriptor) }

  private static func lock(_ kind: Int32, from start: off_t, length: off_t) -> flock {
    var lock = flock()
    lock.l_type = Int16(kind)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = start
    lock.l_len = length
    return lock
  }

  /// - Parameter length: 0: to the end.
  private static func holder(_ descriptor: Int32, from start: off_t, length: off_t) -> Int32? {
    var asked = lock(F_WRLCK, from: start, length: length)
    guard unsafe fcntl(descriptor, F_GETLK, &asked) == 0, asked.l_type != Int16(F_UNLCK) else { return nil }
    return asked.l_pid
  }
}
