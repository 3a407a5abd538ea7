/// When a circuit breaker opens, and for how long. Times in milliseconds.
public struct BreakerPolicy: Equatable, Sendable {
  /// Failures in a row that open it; 0: they don't.
  public var threshold: UInt32
  /// The share of failed calls within the window that opens it, in percent; 0: none does.
  public var failureRate: UInt32
  public var window: UInt64
  /// Calls within the window without which a share says nothing.
  public var minimumCalls: UInt32
  /// It stays open so long the first time, then twice as long each time, up to a longest.
  public var openTime: UInt64
  public var longestOpenTime: UInt64
  /// How long an endpoint that refuses connections is taken for one that restarts; 0: not at all.
  public var restartGrace: UInt64
  /// After so long another call may probe, whatever has become of the one before.
  public var probeLease: UInt64

  public init(
    threshold: UInt32 = 3, failureRate: UInt32 = 50, window: UInt64 = 10_000, minimumCalls: UInt32 = 20,
    openTime: UInt64 = 1000, longestOpenTime: UInt64 = 60_000, restartGrace: UInt64 = 2000,
    probeLease: UInt64 = 10_000
  ) {
    self.threshold = threshold
    self.failureRate = failureRate
    self.window = window
    self.minimumCalls = minimumCalls
    self.openTime = max(openTime, 1)
    self.longestOpenTime = max(longestOpenTime, openTime, 1)
    self.restartGrace = restartGrace
    self.probeLease = max(probeLease, 1)
  }

  /// How long it stays open the n-th time in a row, before that is spread.
  func openTime(_ opening: UInt32) -> UInt64 { Backoff.delay(after: opening, within: openTime...longestOpenTime) }
}
