import Configuration

/// What a command speaks, or a WebSocket server, found out on the one process that is kept: `server/discover` comes first,
/// and `initialize` on the same process where that brings nothing. Many servers lock on the first request that they
/// understand, so a process on which both were understood is not kept.
struct LinkProbeState: Sendable {
  enum Event: Equatable {
    /// `server/discover` was answered with a revision of the modern era that is known here, or otherwise.
    case discovered
    case notDiscovered
    /// All that was sent has been read, and nothing was said to it for a while.
    case silent
    /// What came of `initialize`.
    case initialized
    case refused
    /// The process has ended, or the connection.
    case died
    /// It has had all the time that a start may take.
    case timedOut
  }

  enum Action: Equatable {
    case wait
    case initialize
    /// The process is kept, in that era.
    case modern
    case legacy
    /// It is a modern server's, but may have become a legacy one's by what it was asked meanwhile: another takes its place.
    case modernAnew
    /// It is of no use any more, and another is begun with `initialize`.
    case again
    case fail
  }

  private let era: GatewayConfiguration.Server.Era
  private var isModern = false
  private var isInitializing = false
  private var isSecond = false

  init(era: GatewayConfiguration.Server.Era) {
    self.era = era
  }

  /// Whether the process that is begun now is asked for `initialize` at once.
  var beginsWithInitialize: Bool { isInitializing }

  mutating func next(_ event: Event) -> Action {
    switch event {
    case .discovered:
      isModern = true
      return isInitializing ? .wait : .modern
    case .notDiscovered:
      return isInitializing ? .wait : era == .modern ? .fail : initialize()
    case .silent:
      // As long as nothing else can be, more time costs nothing.
      return isInitializing || era == .modern ? .wait : initialize()
    case .initialized:
      return isModern ? .modernAnew : .legacy
    case .refused where isModern:
      return .modern
    case .refused, .died:
      // Servers of the legacy era may have been spoilt by a request before `initialize`, and some exit on it.
      guard !isSecond, era == .automatic else { return .fail }
      isSecond = true
      isModern = false
      isInitializing = true
      return .again
    case .timedOut:
      return .fail
    }
  }

  private mutating func initialize() -> Action {
    isInitializing = true
    return .initialize
  }
}
