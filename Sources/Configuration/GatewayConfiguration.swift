import ConfigurationSyntax

/// Everything the gateway was told, validated and frozen: nothing behind it is looked up or parsed again while it serves.
///
/// Durations are `Duration`, sizes are bytes in an `Int`. The memberwise defaults are the documented defaults, so
/// `GatewayConfiguration()` is what `sluice serve` runs with when it is told nothing.
public struct GatewayConfiguration: Sendable, Equatable {
  /// Where clients and operators connect (`listeners`).
  public var listeners = Listeners()
  /// The upstreams in the order of the configuration, which decides who owns a resource URI that two of them list
  /// (`servers`). Disabled ones are left out. Empty: serve the built-in demonstration.
  public var servers: [Server] = []
  /// When names of tools and prompts carry their server's alias (`prefix`). Default: conditional.
  public var prefix = Prefix.conditional
  /// Bounds on what one peer may send, hold or take (`limits`).
  public var limits = Limits()
  /// Sessions of legacy clients (`sessions`).
  public var sessions = Sessions()
  /// Connections to one endpoint, where a server says nothing else (`pool`).
  public var pool = Pool()
  /// Choice among endpoints, where a server says nothing else (`routing`).
  public var routing = Routing()
  /// Requests per principal (`rate_limiting`, not active yet).
  public var rateLimiting = RateLimiting()
  /// How long calls in flight may go on after SIGTERM (`drain_timeout`). Default: 30 s.
  public var drainTimeout = Duration.seconds(30)
  /// How long a call may go without an answer or progress (`call_timeout`). Default: 60 s.
  public var callTimeout = Duration.seconds(60)
  /// How long a call may take however much progress it reports (`call_timeout_ceiling`). Default: 10 min.
  public var callTimeoutCeiling = Duration.seconds(600)
  /// How long a call may wait while a human is asked, instead of `callTimeout` (`interaction_timeout`). Default: 600 s.
  public var interactionTimeout = Duration.seconds(600)
  /// How long a command that runs may take until it answers for the first time (`start_timeout`). Default: 5 min.
  public var startTimeout = Duration.seconds(300)
  /// How long after the start the first list waits for upstreams that never answered (`first_list_wait`); less for a few
  /// URLs where most are well. Default: 3 s.
  public var firstListWait = Duration.seconds(3)
  /// How old a list of a legacy server may be that does not tell when it changes, before it is fetched again for whoever asks
  /// (`list_ttl`). Default: 60 s.
  public var listTTL = Duration.seconds(60)
  /// What is logged, and how (`log`).
  public var log = Log()
  /// Number of event loops (`workers`); nil, written `auto`: one per CPU that affinity and cgroup quota allow.
  public var workers: Int?

  /// Path of the Unix socket over which `sluice serve --takeover` gets the listening sockets (`takeover_socket`); nil,
  /// written `auto`: `sluice-<port>.sock` in $XDG_RUNTIME_DIR, or `sluice-<user>-<port>.sock` in /tmp.
  public var takeoverSocket: String?

  /// Proxies that say of whom a connection or a request is (`trusted_proxies`): by the PROXY protocol where a listener has
  /// it on, else by `X-Forwarded-For` or `Forwarded`. Default: loopback.
  public var trustedProxies: [TrustedProxy] = [.loopback]

  /// Where the gateway keeps what it should know after a restart (`state_dir`). Default: auto.
  public var stateDirectory = StateDirectory.automatic

  /// Listen beyond this machine where nobody is asked for a certificate (`allow_unauthenticated`). Default: false.
  public var allowUnauthenticated = false

  public init() {}

  public enum StateDirectory: Sendable, Equatable {
    /// `$STATE_DIRECTORY` as systemd sets it, else `$XDG_STATE_HOME/sluice`, else `~/.local/state/sluice`.
    case automatic
    /// Nothing is kept.
    case off
    /// An absolute path.
    case path(String)

    /// Where that is; nil if nothing can be kept.
    public func path(environment: [String: String]) -> String? {
      func absolute(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
      switch self {
      case .off: return nil
      case .path(let path): return path
      case .automatic:
        // systemd may name several, with colons between them.
        if let own = absolute("STATE_DIRECTORY")?.split(separator: ":").first { return String(own) }
        return absolute("XDG_STATE_HOME").map { "\($0)/sluice" } ?? absolute("HOME").map { "\($0)/.local/state/sluice" }
      }
    }
  }

  public enum Prefix: String, Sendable, CaseIterable {
    /// `server__tool` when more than one server is configured, plain names otherwise.
    case conditional
    case always
    case never
  }

  /// An item of `trusted_proxies`.
  public enum TrustedProxy: Sendable, Equatable {
    case loopback
    case network(IPNetwork)

    public var networks: [IPNetwork] {
      switch self {
      case .loopback: IPNetwork.loopback
      case .network(let network): [network]
      }
    }
  }

  public struct Log: Sendable, Equatable {
    /// The least severe level that is written (`log.level`). Default: info.
    public var level = Level.info
    /// One line of text or one JSON object per record, on stderr (`log.format`). Default: text.
    public var format = Format.text

    public init() {}

    /// The levels of swift-log, by the same names.
    public enum Level: String, Sendable, CaseIterable {
      case trace, debug, info, notice, warning, error, critical
    }

    public enum Format: String, Sendable, CaseIterable {
      case text, json
    }
  }

  /// Sessions of clients that open with `initialize`.
  public struct Sessions: Sendable, Equatable {
    /// A session without a request or an open stream for this long ends (`sessions.idle_timeout`). Default: 30 min.
    public var idleTimeout = Duration.seconds(1800)
    /// Sessions alive at once; one more is refused with 503 (`sessions.max`). Default: 100,000.
    public var maximum = 100_000
    /// Of these, sessions of one client: of a principal, or of an address (an IPv6 /64) from which nobody known comes; one more
    /// is refused with 503 (`sessions.per_client`). Nil, written `auto`: half of `max`.
    public var perClient: Int?
    /// Bytes of events kept per session for `Last-Event-ID` (`sessions.replay`). Default: 1 MiB.
    public var replay = 1 << 20
    /// How long a broken stream may be resumed, and its call goes on (`sessions.resume_window`). Default: 2 min.
    public var resumeWindow = Duration.seconds(120)
    /// How long after its opening a session may be used, in whichever process (`sessions.max_age`). Default: 7 days.
    public var maximumAge = Duration.seconds(7 * 86_400)
    /// What the ids of sessions are sealed with (`sessions.secret`); the first seals, those that follow are taken too, while
    /// one is replaced. Empty: those of the file alone.
    public var secrets: [String] = []
    /// A file with such secrets, one on each line (`sessions.secret_file`); nil, written `auto`: where there is no
    /// `secret` one is made, and kept in `state_dir`.
    public var secretFile: String?

    /// Characters that a secret must have.
    public static let shortestSecret = 32

    public init() {}
  }

  /// The token bucket of one principal.
  public struct RateLimiting: Sendable, Equatable {
    /// Requests that may come at once (`rate_limiting.default_limit`). Default: 100.
    public var defaultLimit = 100
    /// Requests given back per second (`rate_limiting.refill_rate`). Default: 100.
    public var refillRate = 100

    public init() {}
  }
}
