/// When a broken event stream of an upstream is taken up again, in milliseconds.
public enum UpstreamRetry {
  /// What a server may ask for: one that wants it at once, again and again, must not keep a worker busy, and one that
  /// wants it never must not be forgotten.
  static let allowed: ClosedRange<UInt64> = 250...600_000

  /// - Parameter asked: the `retry` of the stream.
  public static func delay(asked: UInt64?, otherwise usual: UInt64) -> UInt64 {
    min(max(asked ?? usual, allowed.lowerBound), allowed.upperBound)
  }
}
