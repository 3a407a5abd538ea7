/// When an endpoint that does worse than its siblings gets no calls for a while. Times in milliseconds.
public struct OutlierPolicy: Equatable, Sendable {
  /// Percent of a cluster's endpoints that may be out at once; 0: none.
  public var mostEjected: Int
  /// How long one is out the first time, and how much longer each time after that, up to a longest.
  public var ejectionTime: UInt64
  public var longestEjection: UInt64
  /// How long one that is new or back takes to get its full share; 0: it has it at once.
  public var slowStart: UInt64
  /// Failures in a row that eject it; 0: none do.
  public var threshold: UInt32
  /// How often the shares of failed calls are compared.
  public var interval: UInt64
  /// Calls within an interval without which an endpoint is not compared.
  public var minimumCalls: UInt32

  /// By how many percent more of its calls than of the others' have to fail. A spread around their mean says nothing
  /// for the two or three endpoints that most clusters have.
  static let margin: UInt64 = 20

  public init(
    mostEjected: Int = 50, ejectionTime: UInt64 = 30_000, longestEjection: UInt64 = 300_000,
    slowStart: UInt64 = 30_000, threshold: UInt32 = 3, interval: UInt64 = 10_000, minimumCalls: UInt32 = 20
  ) {
    self.mostEjected = min(max(0, mostEjected), 100)
    self.ejectionTime = max(1, ejectionTime)
    self.longestEjection = max(ejectionTime, longestEjection, 1)
    self.slowStart = slowStart
    self.threshold = threshold
    self.interval = max(1, interval)
    self.minimumCalls = max(1, minimumCalls)
  }

  /// How long an endpoint is out the n-th time.
  func ejectionTime(_ times: UInt32) -> UInt64 {
    let (time, overflows) = ejectionTime.multipliedReportingOverflow(by: UInt64(max(1, times)))
    return overflows ? longestEjection : min(time, longestEjection)
  }

  /// How many of so many endpoints may be out.
  func mostEjected(of count: Int) -> Int { min(count * mostEjected / 100, max(0, count - 1)) }
}
