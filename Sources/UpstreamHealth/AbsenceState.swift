/// What a server's going away means for calls: that they wait for it, or that they fail. A value without I/O.
///
/// Servers are restarted, and are back within a second or two. One that was of use until now is therefore asked for again and
/// again at short intervals, while calls wait; what does not come back within its grace is left alone for longer each time,
/// and calls hear so at once.
public struct AbsenceState {
  /// What is done about a server that can't be used.
  public enum Action: Equatable, Sendable {
    /// It is looked at again after so many milliseconds; calls wait.
    case lookAgain(after: UInt64)
    /// It is gone for now.
    case giveUp
  }

  /// Milliseconds between two looks.
  public static let shortest: UInt64 = 10
  static let longest: UInt64 = 50
  /// One that is of use for less than this each time is not restarted but falls over.
  static let steady: UInt64 = 1000
  /// How often in a row one that is back only briefly is given a new grace: who restarts a server may do so twice, and a busy
  /// machine makes its life look short.
  static let briefReturns = 3
  /// What is of use for less than this has not come back: it falls over at the first thing that it is asked.
  static let momentary: UInt64 = 250

  /// When it came to be of use; nil while it is not.
  private var usefulSince: UInt64?
  /// When it was found to be gone, from which on its grace counts.
  private var goneSince: UInt64?
  /// How often in a row it was of use only briefly.
  private var brief = 0
  private var pause = Self.shortest

  public init() {}

  /// It is away, and is awaited.
  public var isAwaited: Bool { goneSince != nil && usefulSince == nil }

  public mutating func isUseful(now: UInt64) {
    if usefulSince == nil { usefulSince = now }
    pause = Self.shortest
  }

  /// It was found to be gone, or was not back yet.
  /// - Parameter grace: milliseconds that it is waited for.
  public mutating func isGone(grace: UInt64, now: UInt64) -> Action {
    if let since = usefulSince {
      usefulSince = nil
      brief = now >= since + Self.steady ? 0 : brief + 1
      if now >= since + Self.momentary, brief <= Self.briefReturns {
        goneSince = now
        return .lookAgain(after: 0)
      }
    }
    guard let goneSince, now < goneSince + grace else {
      self.goneSince = nil
      return .giveUp
    }
    defer { pause = min(2 * pause, Self.longest) }
    return .lookAgain(after: pause)
  }
}
