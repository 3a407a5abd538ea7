import Reactor

/// What operators may read of a gateway. Every word is of the moment in which it is asked for.
package protocol GatewayView: AnyObject, Sendable {
  /// It takes leave of its clients.
  var isDraining: Bool { get }
  /// Clients are let in, and there is something to serve.
  var isReady: Bool { get }
  var figures: GatewayFigures { get }
}

/// What is counted, and the states that are shown as figures.
package struct GatewayFigures: Sendable {
  package var isDraining = false
  package var reloads = ReloadCounts(lastSuccess: 0)
  /// Sessions of clients that opened with `initialize`.
  package var sessions = 0
  /// In the order of configuration.
  package var upstreams: [UpstreamFigures] = []
  /// Names and resources that servers claim from one another, or that could not be served as they are.
  package var conflicts = 0
  /// Lines of the log that nobody read fast enough.
  package var droppedLogLines: UInt64 = 0
  package var reaperRestarts: UInt64 = 0
  /// By loop; the control loop comes last.
  package var losses: [LoopLosses] = []

  /// Of all loops.
  package var tallies: [(Tally, UInt64)] = []

  package init() {}
}

/// What there is to say of an upstream in figures.
package struct UpstreamFigures: Sendable {
  package var alias: String
  /// It answered when it was last asked.
  package var isReady = false
  /// It lists more than it may, and is served as it was before.
  package var hasExcess = false
  /// Of its stderr: lines that came faster than they may, and bytes of those and of overlong ones.
  package var droppedLogLines: UInt64 = 0
  package var droppedLogBytes: UInt64 = 0

  package init(alias: String) { self.alias = alias }
}

/// How reloads have gone.
package struct ReloadCounts: Sendable {
  package var succeeded: UInt64 = 0
  package var failed: UInt64 = 0
  /// Milliseconds since 1970 of the last that succeeded; the start counts as one.
  package var lastSuccess: UInt64

  package var lastFailed = false

  package init(lastSuccess: UInt64) { self.lastSuccess = lastSuccess }
}
