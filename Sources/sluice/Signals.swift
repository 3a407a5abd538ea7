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
  enum Event {
    case signal(Received)
    /// Somebody connects to the descriptor that was watched.
    case readable
    /// The reaper has died.
    case reaperGone
  }

  private let descriptor: Int32

  /// Blocks them for this thread and all that are started later.
  static func block() throws(ReactorError) -> Signals {
    Signals(descriptor: try System.openSignals([SIGINT, SIGTERM, SIGHUP]))
  }

  /// Waits for the next one, for `watched` to be readable, or for the end of the reaper. Without a descriptor (-1) of one of
  /// them it is not waited for.
  func wait(watching watched: Int32, reaper: Int32) -> Event {
    var entries = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: watched, events: Int16(POLLIN), revents: 0),
      pollfd(fd: reaper, events: 0, revents: 0),
    ]
    while true {
      guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
      if entries[0].revents != 0, let signal = take() { return .signal(signal) }
      if entries[1].revents != 0 { return .readable }
      if entries[2].revents != 0 { return .reaperGone }
    }
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
