import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Lines for the operator beside the output.
enum StandardError {
  private static let stream = StandardStream(descriptor: 2)

  static func write(_ line: String) { stream.write(line + "\n") }
}

/// A standard stream for what is said in passing. Nobody may read it, as with the bridge of a client that keeps no log:
/// then the rest is left out, as the process has better things to do than to wait. What logs for long has `LogOutput`.
final class StandardStream: Sendable {
  /// How long a reader may take nothing, in milliseconds.
  private static let patience: Int32 = 2000
  /// What is written at once: as much as a pipe takes without waiting once it takes anything.
  private static let piece = 4096

  private let descriptor: Int32
  /// Who was waited for once in vain is not waited for again.
  private let isRead = Atomic<Bool>(true)

  init(descriptor: Int32) { self.descriptor = descriptor }

  func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      let ready = poll(&entry, 1, isRead.load(ordering: .relaxed) ? Self.patience : 0)
      if ready < 0, errno == EINTR { continue }
      isRead.store(ready > 0, ordering: .relaxed)
      guard ready > 0 else { return }
      let count = bytes.prefix(Self.piece).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
