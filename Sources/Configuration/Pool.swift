extension GatewayConfiguration {
  /// Connections of all workers to one endpoint (`pool`); what a server's own `pool` says goes before that, key by key.
  public struct Pool: Sendable, Equatable {
    /// Connections kept (`size`). Default: 100.
    public var size = 100
    /// Connections beyond `size` for a burst, closed once no call has needed them for 0.1 s (`overflow`). Default: 50.
    public var overflow = 50
    /// Which idle connection is taken (`strategy`). Default: fifo.
    public var strategy = Strategy.fifo
    /// How long a request waits for a connection (`checkout_timeout`); 0: not at all. Default: 5 s.
    public var checkoutTimeout = Duration.seconds(5)
    /// An idle connection is closed after this long (`idle_timeout`). Default: 5 min.
    public var idleTimeout = Duration.seconds(300)
    /// A connection of this age is closed once it is idle, so that a name is looked up again (`max_age`); nil, written
    /// `off`: however old it gets. Default: off.
    public var maximumAge: Duration?
    /// Idle connections that `idle_timeout` leaves open, and that are opened ahead of need (`min_idle`). Default: 0.
    public var minimumIdle = 0

    public init() {}

    public enum Strategy: String, Sendable, CaseIterable {
      /// The one that has been idle longest: all of them stay in use.
      case fifo
      /// The one that was used last: those beyond need grow old and are closed.
      case lifo
    }
  }
}
