import Upstream
import UpstreamRequests

/// The attempts of a read that may go to a second endpoint too. There is one only where `hedge_reads` is set.
public final class Hedge {
  public var state = HedgeState()
  /// What the second attempt sends as well: the lines of the head that are about the message, and the message, whose id alone
  /// is another.
  public let lines: [UInt8]
  public let message: [UInt8]
  /// The second attempt, while both are under way; the first is the call's own request.
  public var second: UpstreamRequest?
  /// When each of them began.
  public let firstBegan: UInt64
  public var secondBegan: UInt64 = 0

  public init(lines: [UInt8], message: [UInt8], now: UInt64) {
    self.lines = lines
    self.message = message
    firstBegan = now
  }
}
