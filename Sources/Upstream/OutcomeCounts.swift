/// How many calls at one endpoint have ended well on one worker, and how many have failed, since that was last told.
public struct OutcomeCounts: Equatable, Sendable {
  public private(set) var successes: UInt32 = 0
  public private(set) var failures: UInt32 = 0

  public init() {}

  public var isEmpty: Bool { successes == 0 && failures == 0 }

  public mutating func add(_ outcome: CallOutcome) {
    switch outcome {
    case .success: successes &+= 1
    case .failure: failures &+= 1
    case .neutral: break
    }
  }

  public mutating func take() -> OutcomeCounts {
    defer { self = OutcomeCounts() }
    return self
  }
}
