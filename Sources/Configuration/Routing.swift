extension GatewayConfiguration {
  /// Choice among the endpoints of one server, and what becomes of those that fail (`routing`); what a server's own
  /// `routing` says goes before that, key by key.
  public struct Routing: Sendable, Equatable {
    /// How an endpoint is chosen (`algorithm`). Default: consistent hash.
    public var algorithm = Algorithm.consistentHash
    /// Points on the ring per unit of weight (`vnodes`). Default: 150.
    public var virtualNodes = 150
    /// Not active yet (`replication`): all endpoints that follow on the ring are replicas of a key. Default: 2.
    public var replication = 2
    /// What has the same of it goes to the same endpoint (`key`). Default: the session.
    public var key = Key.session
    /// Failures in a row that take an endpoint out (`failover_threshold`). Default: 3.
    public var failoverThreshold = 3
    /// From one health check to the next (`health_check_interval`). Default: 10 s.
    public var healthCheckInterval = Duration.seconds(10)
    /// How long a health check may take (`health_check_timeout`), never longer than the interval. Default: 5 s.
    public var healthCheckTimeout = Duration.seconds(5)
    /// How long an endpoint that went away may take to be back before what was bound to it goes to another
    /// (`restart_grace`). Default: 2 s.
    public var restartGrace = Duration.seconds(2)
    public var breaker = Breaker()
    public var outliers = Outliers()
    public var retry = Retry()

    public init() {}

    public enum Algorithm: String, Sendable, CaseIterable {
      case consistentHash = "consistent_hash"
      case leastRequest = "least_request"
      case roundRobin = "round_robin"
    }

    /// What calls are kept together by.
    public enum Key: Sendable, Equatable, CustomStringConvertible {
      /// The client's session; where it has none, the client.
      case session
      /// The address that the client comes from, an IPv6 one by its /64.
      case client
      case principal
      /// A header field of the client's request, its name in lower case (`header:x-tenant`).
      case header(String)
      /// A string, number or truth value among the arguments of a call, by its name (`argument:project`).
      case argument(String)

      public var description: String {
        switch self {
        case .session: "session"
        case .client: "client"
        case .principal: "principal"
        case .header(let name): "header:\(name)"
        case .argument(let name): "argument:\(name)"
        }
      }
    }

    /// When an endpoint, or one tool of it, is given a rest (`breaker`).
    public struct Breaker: Sendable, Equatable {
      /// Percent of the calls within `window` that failed, from which on it opens (`failure_rate`); 0: never for that.
      /// Default: 50.
      public var failureRate = 50
      /// `window`. Default: 10 s.
      public var window = Duration.seconds(10)
      /// Calls within `window` below which their share says nothing (`minimum_calls`). Default: 20.
      public var minimumCalls = 20
      /// How long it stays open the first time (`open_time`), twice that when the trial after it fails, and so on.
      /// Default: 1 s.
      public var openTime = Duration.seconds(1)
      /// At most (`open_time_max`). Default: 60 s.
      public var openTimeMaximum = Duration.seconds(60)
      /// Whether results with `isError` count as failures (`tool_errors`). Default: false.
      public var toolErrors = false
      /// Whether each tool has one too (`per_tool`). Default: true.
      public var perTool = true

      public init() {}
    }

    /// When an endpoint that does worse than its siblings gets no calls for a while (`outliers`).
    public struct Outliers: Sendable, Equatable {
      /// Percent of a server's endpoints that may be out at once (`max_ejected`); 0: none. Default: 50.
      public var maximumEjected = 50
      /// How long it is out the first time, and how much longer each time after that (`ejection_time`). Default: 30 s.
      public var ejectionTime = Duration.seconds(30)
      /// At most (`ejection_time_max`). Default: 5 min.
      public var ejectionTimeMaximum = Duration.seconds(300)
      /// How long an endpoint that is new or back takes to get its full share (`slow_start`); 0: at once. Default: 30 s.
      public var slowStart = Duration.seconds(30)

      public init() {}
    }

    /// When a call that failed goes out again (`retry`): only where it can't have had an effect, or has none.
    public struct Retry: Sendable, Equatable {
      /// Attempts in all (`attempts`); 1: no retry. Default: 3.
      public var attempts = 3
      /// Percent of the calls that retries may add (`budget`); 0: no retry. Default: 20.
      public var budget = 20
      /// Before the first retry, at most: as much of it as chance says; twice that before the next (`backoff`). None where
      /// the first retry goes to another endpoint. Default: 25 ms.
      public var backoff = Duration.milliseconds(25)
      /// At most (`backoff_max`). Default: 1 s.
      public var backoffMaximum = Duration.seconds(1)
      /// Whether a call that only reads goes to a second endpoint too where the first is slow (`hedge_reads`).
      /// Default: false.
      public var hedgeReads = false

      public init() {}
    }
  }
}
