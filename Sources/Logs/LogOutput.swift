import Dispatch
import Lifecycle
import Reactor
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Where lines of the log go. Event loops only put them into a queue; a thread of its own waits for the reader, which may
/// never come: neither the loops nor the end of the process wait for it.
///
/// The descriptor stays as it is, for others may have it too: no O_NONBLOCK is set. So the thread waits until a page can
/// be written and writes no more than that at once, whole lines wherever they fit.
public final class LogOutput: Sendable {
  /// What may wait for the reader, in bytes.
  public static let capacity = 1 << 20
  /// What is written at once: as much as a pipe takes whole, or not at all.
  private static let piece = 4096
  /// How long the end waits for a reader that takes nothing, and for one that does, in milliseconds.
  private static let patience: (UInt64, UInt64) = (500, 5000)
  /// How long to leave an output alone that can't be written to, such as a file on a full disk, in milliseconds.
  private static let pause: Int32 = 1000

  private let descriptor: Int32
  private let queue: Mutex<LogQueue>
  private let losses: LogLosses
  /// Something waits for a thread that found nothing.
  private let wake = DispatchSemaphore(value: 0)
  private let isStarted = Atomic<Bool>(false)
  /// Bytes written so far: whether there is a reader.
  private let written = Atomic<UInt64>(0)

  public init(
    descriptor: Int32 = 2, capacity: Int = capacity, losses: LogLosses,
    notice: @escaping @Sendable (UInt64) -> [UInt8]
  ) {
    self.descriptor = descriptor
    self.losses = losses
    queue = Mutex(LogQueue(capacity: capacity, notice: notice))
  }

  /// Takes a line, its end included. Never waits for the reader.
  public func write(_ line: [UInt8]) {
    let admission = queue.withLock { $0.add(line) }
    if !admission.isKept { losses.add(1) }
    if admission.wakes { wake.signal() }
  }

  /// From now on lines are written. To be called only after the last fork without exec: it starts a thread.
  public func start() {
    guard !isStarted.exchange(true, ordering: .relaxed) else { return }
    signal(SIGPIPE, SIG_IGN)
    _ = Thread(name: "sluice-log") { [self] in run() }
  }

  /// Waits until everything is written, as long as somebody reads; for the end of the process.
  public func finish() {
    start()
    let begun = System.uptime
    var (last, moved) = (written.load(ordering: .relaxed), begun)
    while !queue.withLock({ $0.isEmpty }) {
      let now = System.uptime
      let count = written.load(ordering: .relaxed)
      if count != last { (last, moved) = (count, now) }
      if now - moved >= Self.patience.0 || now - begun >= Self.patience.1 { return }
      System.sleep(milliseconds: 2)
    }
  }

  // MARK: The thread

  private func run() -> Never {
    var spare: [UInt8] = []
    while true {
      while let batch = queue.withLock({ $0.take(giving: &spare) }) {
        put(batch)
        spare = batch
      }
      wake.wait()
    }
  }

  private func put(_ batch: [UInt8]) {
    var rest = batch[...]
    while !rest.isEmpty {
      let piece = Self.piece(of: rest)
      awaitRoom()
      let count = piece.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        if count < 0, errno == EINTR || errno == EAGAIN { continue }
        let lines = rest.count { $0 == UInt8(ascii: "\n") }
        losses.add(queue.withLock { $0.failed(lines) })
        poll(nil, 0, Self.pause)
        return
      }
      rest = rest.dropFirst(count)
      written.add(UInt64(count), ordering: .relaxed)
      queue.withLock { $0.wrote(count) }
    }
  }

  private func awaitRoom() {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while poll(&entry, 1, -1) < 0 {}
  }

  /// As many whole lines as fit; of one that does not fit, as much as does.
  private static func piece(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard bytes.count > piece else { return bytes }
    let first = bytes.prefix(piece)
    guard let end = first.lastIndex(of: UInt8(ascii: "\n")) else { return first }
    return first[...end]
  }
}
