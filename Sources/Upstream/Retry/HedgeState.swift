/// Whether a read that takes long goes to a second endpoint too. A value without I/O; it lives with the request.
///
///     idle ──begins──▶ alone ──unusually long──▶ both ──one answers──▶ settled, and the other is cancelled
///                        │                        └──one fails──▶ alone
///                        └──answers, fails──▶ settled
public struct HedgeState: Equatable, Sendable {
  /// One of the two attempts.
  public enum Leg: UInt8, Sendable {
    case first, second

    var other: Leg { self == .first ? .second : .first }
  }

  public enum Action: Equatable, Sendable {
    case none
    /// The second attempt begins, at another endpoint.
    case begin
    /// This attempt answers the call; the other is to be cancelled, if there is one.
    case answer(cancel: Leg?)
    /// The other attempt goes on.
    case wait
    /// There is no attempt any more.
    case fail
  }

  private enum Phase: UInt8 {
    case idle, alone, both, settled
  }

  /// Sooner than this no second attempt is worth its while.
  static let shortest: UInt64 = 10

  private var phase = Phase.idle
  /// The one that goes on, if there is one alone.
  private var leg = Leg.first
  private var isSpent = false

  public init() {}

  /// The first attempt begins. After how many milliseconds `due` is to be called, if the answer is not there by then;
  /// nil: there is no second attempt.
  public mutating func began(_ estimate: borrowing LatencyEstimate, hedges: Bool) -> UInt64? {
    self = HedgeState()
    phase = .alone
    guard hedges, let usual = estimate.p95 else {
      isSpent = true
      return nil
    }
    return max(usual, Self.shortest)
  }

  /// It takes unusually long.
  /// - Parameter hasOther: another endpoint is well.
  public mutating func due(hasOther: Bool, _ budget: inout RetryBudget, now: UInt64) -> Action {
    guard phase == .alone, !isSpent, hasOther, budget.take(now: now) else { return .none }
    isSpent = true
    phase = .both
    return .begin
  }

  /// The first byte of an answer has come: that one is the answer.
  public mutating func answered(_ leg: Leg) -> Action {
    let hadBoth = phase == .both
    guard hadBoth || phase == .alone && leg == self.leg else { return .none }
    phase = .settled
    return .answer(cancel: hadBoth ? leg.other : nil)
  }

  public mutating func failed(_ leg: Leg) -> Action {
    switch phase {
    case .both:
      phase = .alone
      self.leg = leg.other
      return .wait
    case .alone where leg == self.leg:
      phase = .settled
      return .fail
    case .idle, .alone, .settled: return .none
    }
  }
}
