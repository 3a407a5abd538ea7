/// How an endpoint is when a call looks for one.
public struct EndpointCondition: Sendable, Equatable {
  /// From the best to the worst.
  public enum Standing: UInt8, Sendable {
    /// It takes calls.
    case usable
    /// Its answers were worse than the others' (an outlier). It gets calls only where nobody else can.
    case ejected
    /// It can't take any: nobody listens, or its circuit breaker is open.
    case down
  }

  /// The `share` of an endpoint that gets all that is its own.
  public static let fullShare = 1024

  public let standing: Standing
  /// Calls in flight, or whatever else is to be spread evenly.
  public let load: Int
  /// How much of its weight it has while it comes back (`slow_start`), of 1,024.
  public let share: Int

  /// - Parameters:
  ///   - load: counts as 0 below that, and as 16,777,216 above.
  ///   - share: with 0 or less it is as if ejected.
  ///   - isExcluded: not for this call, which has been there, say: for that one it is down.
  public init(
    _ standing: Standing = .usable, load: Int = 0, share: Int = fullShare, isExcluded: Bool = false
  ) {
    self.standing = isExcluded ? .down : standing == .usable && share <= 0 ? .ejected : standing
    // So that no product of these, a weight and the number of endpoints leaves 64 bits.
    self.load = min(max(load, 0), 1 << 24)
    self.share = min(max(share, 0), Self.fullShare)
  }

  /// Whether a call may go there that takes what is `standing`, or better.
  func fits(_ standing: Standing) -> Bool { self.standing.rawValue <= standing.rawValue }

  /// The weight that it has at the moment, in 1,024ths. Where only ejected ones are left, their share is not looked at.
  func weight(_ weight: Int, as standing: Standing) -> Int {
    weight &* (standing == .usable ? share : Self.fullShare)
  }
}
