/// How the connections to one endpoint are pooled, as configured (`pool`). Durations in milliseconds.
public struct PoolBounds: Equatable, Sendable {
  /// Which idle connection is used next.
  public enum Strategy: Sendable {
    /// The one that has been idle longest, so that all carry their part.
    case fifo
    /// The one that was used last, so that what a lull does not need grows old and goes.
    case lifo
  }

  /// Connections that are kept, and those beyond them at times when all are in use; of all workers together.
  public var size = 100
  public var overflow = 50
  public var strategy = Strategy.fifo
  /// For how long a caller waits for a connection.
  public var checkoutTimeout: UInt64 = 5000
  /// After how long without use a connection is closed.
  public var idleTimeout: UInt64 = 300_000
  /// After how long one is not used any more, however busy it is.
  public var maxAge: UInt64 = .max
  /// Idle connections that are held ready, of all workers together.
  public var minIdle = 0

  public init() {}

  /// All that there may be.
  public var limit: Int { size + overflow }

  /// Those of `minIdle` that a worker holds ready.
  /// - Parameter workers: how many there are; a loop beyond them, as the control loop, holds none.
  func minIdle(of worker: Int, among workers: Int) -> Int {
    guard worker < workers else { return 0 }
    return minIdle / workers + (worker < minIdle % workers ? 1 : 0)
  }
}
