import Reactor

#if canImport(Glibc)
  import Glibc
#endif

/// The signals that `serve` acts on, taken by waiting for them: no handler ever runs.
struct Signals {
  struct Received {
    let number: Int32
    /// Read the configuration again.
    var isReload: Bool { number == SIGHUP }
    var name: String {
      switch number {
      case SIGHUP: "SIGHUP"
      case SIGINT: "SIGINT"
      default: "SIGTERM"
      }
    }
  }

  /// What the main thread waits for.
  struct Events {
    var signal: Received?
    /// Those of the watched descriptors at which there is something to read, or an end.
    var readable: [Int32] = []
    /// The reaper has died.
    var isReaperGone = false
  }

  private let descriptor: Int32

  /// Blocks them for this thread and all that are started later.
  static func block() throws(ReactorError) -> Signals {
    Signals(descriptor: try System.openSignals([SIGINT, SIGTERM, SIGHUP]))
  }

  /// Waits for the next one, for some of `watched` to be readable, for the end of the reaper (-1: there is none), or until
  /// the time is over (-1: never).
  func wait(watching watched: [Int32], reaper: Int32, milliseconds: Int32) -> Events {
    var entries = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: reaper, events: 0, revents: 0),
    ]
    entries += watched.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return Events() }
    return Events(
      signal: entries[0].revents != 0 ? take() : nil, readable: entries[2...].filter { $0.revents != 0 }.map(\.fd),
      isReaperGone: entries[1].revents != 0)
  }

  /// The next one, if it has come.
  func take() -> Received? { System.takeSignal(descriptor).map(Received.init(number:)) }

  /// Another one has come that ends the process. A reload has no place any more.
  var isPending: Bool {
    while let signal = take() {
      if !signal.isReload { return true }
    }
    return false
  }
}
