/// How an attempt to have a request answered came to nothing.
public enum FailedAttempt: Equatable, Sendable {
  /// Not a byte of it has left: there is no connection, or no permit.
  case unsent
  /// It is known in another way that nobody has acted on it: a session that had ended, say (`GatewayError.Retry.safe`).
  case untouched
  /// A connection that had been used before broke, so many milliseconds after it was sent, before a byte of an answer.
  case lostOnUsedConnection(after: UInt64)
  /// It may have had its effect, whatever came back.
  case failed(CallOutcome.Failure)
}

/// Whether a request goes out again after an attempt that failed. A value without I/O; it lives with the request.
///
/// What may have had its effect is repeated only if that does no harm (`Method.isRepeatable`). All else depends on how
/// many attempts there were, on the time that is left, and on the budget of the worker. Once a byte of an answer has
/// been passed on nothing is repeated: its client has seen the first part of another.
public struct RetryState: Equatable, Sendable {
  public enum Action: Equatable, Sendable {
    /// It goes out again so many milliseconds later, to an endpoint that is not excluded if there is one.
    case again(after: UInt64)
    case giveUp(Reason)
  }

  public enum Reason: Equatable, Sendable {
    /// Nothing else would come of it anywhere.
    case pointless
    case mayHaveActed, answerBegan
    case attempts, time, budget
  }

  /// Those that have begun.
  public private(set) var attempts: UInt8 = 0
  /// It may be carried out twice.
  public let isRepeatable: Bool
  private var isPassed = false
  private var current: UInt8 = 0
  /// The endpoints that have failed, by the last six bits of their index: of more than 64, some are excluded with
  /// others.
  public private(set) var excluded: UInt64 = 0

  /// - Parameter isRepeatable: see `Method.isRepeatable`.
  public init(isRepeatable: Bool) { self.isRepeatable = isRepeatable }

  public static func mask(_ endpoint: Int) -> UInt64 { 1 << UInt64(endpoint & 63) }

  public func excludes(_ endpoint: Int) -> Bool { excluded & Self.mask(endpoint) != 0 }

  /// An attempt begins.
  public mutating func began(at endpoint: Int) {
    if attempts < .max { attempts += 1 }
    current = UInt8(endpoint & 63)
  }

  /// It does not go to this one, where it is under way already.
  public mutating func exclude(_ endpoint: Int) { excluded |= Self.mask(endpoint) }

  /// A byte of an answer goes to the client.
  public mutating func passed() { isPassed = true }

  /// The attempt under way has failed.
  /// - Parameters:
  ///   - usable: the masks of the endpoints that may be asked now.
  ///   - earliest: when the endpoint that failed wants to be asked again, if it said so.
  ///   - deadline: of the call, whatever the number of attempts.
  public mutating func failed(
    _ attempt: FailedAttempt, usable: UInt64, earliest: UInt64 = 0, deadline: UInt64, _ policy: RetryPolicy,
    _ budget: inout RetryBudget, now: UInt64
  ) -> Action {
    excluded |= Self.mask(Int(current))
    let isElsewhere = usable & ~excluded != 0
    if isPassed { return .giveUp(.answerBegan) }
    if isPointless(attempt, isElsewhere) { return .giveUp(.pointless) }
    guard mayRepeat(attempt) else { return .giveUp(.mayHaveActed) }
    guard attempts < policy.attempts else { return .giveUp(.attempts) }
    var pause: UInt64 = 0
    if !isAtOnce(attempt, isElsewhere) {
      pause = UInt64.random(in: 0...policy.longestPause(after: attempts), using: &budget.random)
    }
    if !isElsewhere, earliest > now { pause = max(pause, earliest - now) }
    guard now < deadline, pause < deadline - now else { return .giveUp(.time) }
    // What nobody has got is no load on anybody.
    if attempt != .unsent, attempt != .untouched, !budget.take(now: now) { return .giveUp(.budget) }
    if !isElsewhere { excluded = 0 }
    return .again(after: pause)
  }

  private func mayRepeat(_ attempt: FailedAttempt) -> Bool {
    switch attempt {
    case .unsent, .untouched: true
    case .lostOnUsedConnection(let time): isRepeatable || time <= RetryPolicy.keepAliveRace
    case .failed: isRepeatable
    }
  }

  /// What the server itself has answered it would answer again; what a tool says is for its client.
  private func isPointless(_ attempt: FailedAttempt, _ isElsewhere: Bool) -> Bool {
    guard case .failed(let failure) = attempt else { return false }
    return failure == .toolError || failure.isAnswer && !isElsewhere
  }

  /// The first time nothing is waited for where the endpoint is another, or not what failed.
  private func isAtOnce(_ attempt: FailedAttempt, _ isElsewhere: Bool) -> Bool {
    guard attempts == 1 else { return false }
    return switch attempt {
    case .untouched, .lostOnUsedConnection: true
    case .unsent, .failed: isElsewhere
    }
  }
}
