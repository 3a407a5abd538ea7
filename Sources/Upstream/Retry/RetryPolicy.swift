import Wire

/// How often, and how soon, a request that failed goes out again. Times in milliseconds.
public struct RetryPolicy: Equatable, Sendable {
  /// The first one counted; 1: nothing is repeated.
  public var attempts: UInt8
  /// Repetitions for each hundred calls.
  public var budget: UInt32
  /// Up to so long before the second attempt at the same endpoint, then up to twice as long each time, up to a longest.
  public var backoff: UInt64
  public var longestBackoff: UInt64
  /// A read that takes unusually long goes to a second endpoint too.
  public var hedgesReads: Bool

  /// How long after it was sent on a connection that had been used before a request's loss is taken for that
  /// connection's end. A server that closes an idle connection does not know of a request that is on its way meanwhile,
  /// and whoever sent it learns that within a round trip: the longest there are on Earth, with a lost packet, stay
  /// below this. What is lost later may have been read, and carried out, by a server that died of it.
  public static let keepAliveRace: UInt64 = 250

  public init(
    attempts: UInt8 = 3, budget: UInt32 = 20, backoff: UInt64 = 25, longestBackoff: UInt64 = 1000,
    hedgesReads: Bool = false
  ) {
    self.attempts = max(1, attempts)
    self.budget = budget
    self.backoff = backoff
    self.longestBackoff = max(backoff, longestBackoff)
    self.hedgesReads = hedgesReads
  }

  /// The longest pause after so many attempts, of which as much is taken as chance says.
  func longestPause(after attempts: UInt8) -> UInt64 {
    Backoff.delay(after: UInt32(attempts), within: backoff...longestBackoff)
  }
}

/// What a tool says of itself (`ToolAnnotations`, MCP 2025-03-26 and later). Hints, which nobody but the operator can
/// take for true (`trust_hints`).
public struct ToolHints: OptionSet, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `readOnlyHint`
  public static let readOnly = ToolHints(rawValue: 1)
  /// `idempotentHint`
  public static let idempotent = ToolHints(rawValue: 2)
}

extension Method {
  /// Whether asking twice is as good as asking once, even where the first was carried out. What changes a session's
  /// state is left out: it is settled with one endpoint.
  public func isRepeatable(_ hints: ToolHints = [], trusted: Bool = false) -> Bool {
    switch self {
    case .toolsList, .promptsList, .resourcesList, .resourcesTemplatesList, .resourcesRead, .promptsGet,
      .completionComplete, .ping, .serverDiscover:
      true
    case .toolsCall: trusted && !hints.isDisjoint(with: [.readOnly, .idempotent])
    default: false
    }
  }

  /// Whether it may go to two endpoints at the same time: it only looks.
  public func isHedgeable(_ hints: ToolHints = [], trusted: Bool = false) -> Bool {
    switch self {
    case .resourcesRead, .promptsGet, .completionComplete: true
    case .toolsCall: trusted && hints.contains(.readOnly)
    default: false
    }
  }
}
