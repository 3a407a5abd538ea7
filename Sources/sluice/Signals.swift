#if canImport(Glibc)
  import Glibc
#endif

/// SIGINT and SIGTERM, taken by waiting for them: no handler ever runs.
struct Signals {
  struct Received {
    let number: Int32
    var name: String { number == SIGINT ? "SIGINT" : "SIGTERM" }
  }

  private var set = sigset_t()

  /// Blocks both for this thread and all that are started later.
  static func block() -> Signals {
    var signals = Signals()
    sigemptyset(&signals.set)
    sigaddset(&signals.set, SIGINT)
    sigaddset(&signals.set, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &signals.set, nil)
    return signals
  }

  /// Waits for the next one.
  func wait() -> Received {
    var number: Int32 = 0
    var set = set
    sigwait(&set, &number)
    return Received(number: number)
  }

  /// Another one has come.
  var isPending: Bool {
    var set = set
    var none = timespec()
    return sigtimedwait(&set, nil, &none) > 0
  }
}
