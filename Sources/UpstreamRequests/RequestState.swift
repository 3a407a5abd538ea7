import MCP

/// What an upstream has got of a request, and so what can still become of it. A value without I/O.
///
///     waiting ─sent─▶ sent ─began─▶ reading      (one JSON message, or none)
///        ▲             │ │
///        │             │ └──began─▶ streaming ─broke, ended─▶ resuming ─began─▶ streaming …
///        └────again────┴───────────────┴───────────────────────────┘
///
/// It goes back to `waiting` where it is known that the upstream has not acted on it, once. After that, and wherever it
/// was sent and nothing is known of it, it is lost and not sent again: it may have had its effect.
public struct RequestState: Equatable {
  enum Phase: CaseIterable {
    /// For a conversation to open, or for what is to be found out first. Nothing has left.
    case waiting
    /// It is on its way, or there, and nothing has come back.
    case sent
    /// Something that ends with its answer comes in.
    case reading
    /// Events come in, which may be taken up again where they break off.
    case streaming
    /// They broke off, and are to go on.
    case resuming
  }

  /// What becomes of it when what carried it is gone and no response has come.
  public enum Loss: Equatable {
    /// The events are taken up again.
    case resume
    /// It never arrived.
    case unreached
    /// It may have had its effect.
    case lost
  }

  private(set) var phase = Phase.waiting
  /// It has gone back to `waiting` once.
  public private(set) var isRepeated: Bool

  /// - Parameter isRepeated: another has gone out for it before.
  public init(isRepeated: Bool = false) { self.isRepeated = isRepeated }

  /// Its message was handed over.
  public mutating func sent() { phase = .sent }

  /// An answer has begun.
  public mutating func began(asEvents: Bool) {
    guard phase != .waiting else { return }
    phase = asEvents ? .streaming : .reading
  }

  /// The answer has ended, or what carried it broke.
  /// - Parameters:
  ///   - sent: bytes of it have left.
  ///   - canResume: the upstream has said where to take up its events.
  public mutating func broke(sent: Bool, canResume: Bool) -> Loss {
    if phase == .streaming, canResume {
      phase = .resuming
      return .resume
    }
    return sent || phase != .sent && phase != .waiting ? .lost : .unreached
  }

  /// Whether it goes out once more after a failure, which it then waits to do. What left it must say whether somebody has
  /// acted on it.
  public mutating func again(after retry: GatewayError.Retry) -> Bool {
    let mayRepeat =
      switch retry {
      case .never: false
      case .safe: true
      case .ifNothingSent: phase == .waiting
      }
    guard mayRepeat, !isRepeated else { return false }
    isRepeated = true
    phase = .waiting
    return true
  }

  /// It waits again for another reason than a failure: a redirect, say, of which only so many are followed.
  public mutating func waits() { phase = .waiting }

  /// Nothing of an answer has come.
  public var isUnanswered: Bool { phase == .waiting || phase == .sent }

  /// Whether the upstream has to be told that nobody waits for the answer any more.
  public var isKnownUpstream: Bool { phase != .waiting }
}
