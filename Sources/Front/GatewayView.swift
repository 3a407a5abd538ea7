import Reactor
import Workers

/// What operators may read of a gateway. Every word is of the moment in which it is asked for.
public protocol GatewayView: AnyObject, Sendable {
  /// It takes leave of its clients.
  var isDraining: Bool { get }
  /// Clients are let in, and there is something to serve.
  var isReady: Bool { get }
  var figures: GatewayFigures { get }
}

/// What is counted, and the states that are shown as figures.
public struct GatewayFigures: Sendable {
  public var isDraining = false
  public var reloads = ReloadCounts(lastSuccess: 0)
  /// Sessions of clients that opened with `initialize`.
  public var sessions = 0
  /// In the order of configuration.
  public var upstreams: [UpstreamFigures] = []
  /// Names and resources that servers claim from one another, or that could not be served as they are.
  public var conflicts = 0
  /// Lines of the log that nobody read fast enough.
  public var droppedLogLines: UInt64 = 0
  public var reaperRestarts: UInt64 = 0
  /// By loop; the control loop comes last.
  public var losses: [LoopLosses] = []

  /// Of all loops.
  public var tallies: [(Tally, UInt64)] = []

  public init() {}
}

/// What there is to say of an upstream in figures.
public struct UpstreamFigures: Sendable {
  public var alias: String
  /// It answered when it was last asked.
  public var isReady = false
  /// Its process was ended since nobody used it.
  public var isStopped = false
  /// It has died too often and is not started again before a reload.
  public var hasFailed = false
  /// Its children that ended by themselves, but for those that one client had to itself.
  public var deaths: UInt64 = 0
  /// It lists more than it may, and is served as it was before.
  public var hasExcess = false
  /// Of its stderr: lines that came faster than they may, and bytes of those and of overlong ones.
  public var droppedLogLines: UInt64 = 0
  public var droppedLogBytes: UInt64 = 0

  public init(alias: String) { self.alias = alias }
}

/// How reloads have gone.
public struct ReloadCounts: Sendable {
  public var succeeded: UInt64 = 0
  public var failed: UInt64 = 0
  /// Milliseconds since 1970 of the last that succeeded; the start counts as one.
  public var lastSuccess: UInt64

  public var lastFailed = false

  public init(lastSuccess: UInt64) { self.lastSuccess = lastSuccess }
}
