/// With what a call was let through a circuit breaker: it says so when the call has ended.
public struct BreakerPass: Equatable, Sendable {
  /// What began before a breaker closed says nothing of what came after.
  let begunAt: UInt64
  /// The number of a probe; 0 for any other call.
  let probe: UInt32

  /// For who has not asked any breaker.
  public static let none = BreakerPass(begunAt: 0, probe: 0)

  /// Whether all others wait for how this call ends.
  public var isProbe: Bool { probe != 0 }
}

/// Whether an endpoint, or one tool of it, may be called. Times in milliseconds.
public enum BreakerAdmission: Equatable, Sendable {
  case admitted(BreakerPass)
  /// It seems to restart. Who has time asks again then; whoever can goes elsewhere.
  case comingBack(retryAfter: UInt64)
  /// Not before then (`circuit_open`).
  case refused(retryAfter: UInt64)

  public var pass: BreakerPass? { if case .admitted(let pass) = self { pass } else { nil } }
}

/// What an event has made of a circuit breaker: for logs and metrics.
public enum BreakerChange: Equatable, Sendable {
  case none
  /// For so many milliseconds.
  case opened(milliseconds: UInt64)
  case comingBack
  case closed
}
