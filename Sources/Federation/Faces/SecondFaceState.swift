import MCP

/// Whether a server that was found to be of the modern era is spoken to in the legacy era as well, for clients of that era.
/// Where that costs a connection it is tried as soon as the server is found. A command would be started a second time, which
/// costs real memory: so that waits for the first client of the legacy era, and what refuses is not started again and again.
/// A value without I/O.
struct SecondFaceState: Sendable {
  enum Action: Equatable {
    case nothing
    /// The server is to be spoken to in the legacy era.
    case open
    /// It is not any more.
    case close
  }

  private enum Standing {
    /// It speaks the legacy era anyway, or nothing yet.
    case needless
    /// It has not been tried: nobody has come for it.
    case untried
    /// It is there, or is being looked for.
    case open
    /// The server is of the modern era only, as far as is known since it was last found.
    case refused
  }

  private let isCommand: Bool
  private var standing = Standing.needless
  /// How often in a row it has ended on `initialize`, or said nothing to it, though the server itself was there.
  private var silences = 0
  /// Since when its calls have failed though those of the server would not.
  private var missedSince: UInt64?
  /// It was there and has been missed for so long that its clients have the server by translation until it is back.
  private(set) var isAway = false

  init(isCommand: Bool) { self.isCommand = isCommand }

  /// One that was a legacy server until it was found to speak the modern era too.
  static func former(isCommand: Bool) -> SecondFaceState {
    var state = SecondFaceState(isCommand: isCommand)
    state.standing = .open
    return state
  }

  /// The next client of the legacy era has it tried.
  var isUntried: Bool { standing == .untried }
  var isOpen: Bool { standing == .open }

  /// The server was looked at.
  /// - Parameter isWanted: clients of the legacy era look at it.
  mutating func found(_ era: Era, isWanted: Bool) -> Action {
    if case .legacy = era {
      defer { standing = .needless }
      return isOpen ? .close : .nothing
    }
    guard !isOpen else { return .nothing }
    guard isWanted || !isCommand else {
      standing = .untried
      return .nothing
    }
    open()
    return .open
  }

  /// A client of the legacy era looks at the server.
  mutating func wanted() -> Action {
    guard isUntried else { return .nothing }
    open()
    return .open
  }

  private mutating func open() {
    standing = .open
    silences = 0
    missedSince = nil
    isAway = false
  }

  /// It does not take `initialize`.
  mutating func refused() -> Action {
    guard isOpen else { return .nothing }
    standing = .refused
    return .close
  }

  /// What has taken `initialize` before has now ended on it, or said nothing to it. Once may be for a reason of the moment:
  /// its former process may still hold what it needs.
  mutating func silent(isServerReady: Bool) -> Action {
    guard isServerReady else { return .nothing }
    silences += 1
    return silences < 2 ? .nothing : refused()
  }

  // MARK: Absence

  /// The face or the server was looked at, or went away. True if that is how the face began to be missed.
  mutating func fared(isReady: Bool, isServerReady: Bool, now: UInt64) -> Bool {
    if isReady {
      silences = 0
      isAway = false
    }
    // What is down in both eras is down for everybody.
    guard isOpen, !isReady, isServerReady else {
      missedSince = nil
      return false
    }
    guard missedSince == nil else { return false }
    missedSince = now
    return true
  }

  /// Time has passed. True if the face has been missed for that long, and counts as away from now on.
  mutating func waited(_ patience: UInt64, now: UInt64) -> Bool {
    guard !isAway, let since = missedSince, now >= since + patience else { return false }
    isAway = true
    return true
  }
}
