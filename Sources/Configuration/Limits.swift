extension GatewayConfiguration {
  /// Bounds on what one peer may send, hold or take. Sizes are bytes. A bound that is passed has one answer, named here.
  public struct Limits: Sendable, Equatable {
    /// Request line and header fields of a request, and status line and fields of an upstream's answer (`head`): 431.
    /// Default: 32 KiB.
    public var head = 32 << 10
    /// The request target (`target`): 414. Default: 8 KiB.
    public var target = 8 << 10
    /// Header fields of one message (`headers`): 431. Default, and the most that a parsed head has room for: 100.
    public var headers = 100
    /// A request body, decoded (`body`): 413. Default: 16 MiB.
    public var body = 16 << 20
    /// One message of an upstream (`result`): the call ends with -32603. Default: 64 MiB.
    public var result = 64 << 20
    /// Levels of nesting in a JSON-RPC message (`depth`): -32600. Default: 128.
    public var depth = 128
    /// Messages in one batch of revision 2025-03-26 (`batch`): -32600. Default: 100.
    public var batch = 100
    /// Bytes of further requests read ahead on one connection while an earlier one is unanswered (`pipeline`); then reading
    /// pauses. Default: 64 KiB.
    public var pipeline = 64 << 10
    /// Connections of one client, an IPv4 address or an IPv6 /64, counted over all workers (`connections_per_address`): 503,
    /// or 429 where a trusted proxy names the client. A trusted proxy itself has no such bound. Default: 1,000.
    public var connectionsPerAddress = 1000
    /// A URI that a client subscribes to or listens for (`uri`): -32602. Default: 8 KiB.
    public var uri = 8 << 10
    /// The URIs of all subscriptions of a session, and of one listen (`subscriptions`): -32602. Default: 1 MiB.
    public var subscriptions = 1 << 20
    /// SSE streams that one session may hold open at once (`streams_per_session`): 409. Default: 32.
    public var streamsPerSession = 32
    /// Calls in flight to one endpoint from one worker (`in_flight`): -32603, to be retried. Default: 4,096.
    public var inFlight = 4096
    /// From the first byte of a request to the end of its head (`head_timeout`): 408; and from accept to that first byte:
    /// closed. Default: 10 s.
    public var headTimeout = Duration.seconds(10)
    /// Between two reads of a body, and for the whole of it beside the time that `body_rate` gives it (`body_timeout`): 408.
    /// Default: 30 s.
    public var bodyTimeout = Duration.seconds(30)
    /// Bytes per second that a body must come with on the whole (`body_rate`); 0: any. Default: 512.
    public var bodyRate = 512
    /// A keep-alive connection without a request (`idle_timeout`): closed. Default: 75 s.
    public var idleTimeout = Duration.seconds(75)
    /// Bytes have waited for a peer so long without a break while it took less than `write_rate` (`write_timeout`): closed,
    /// at the latest after twice this time. Default: 30 s.
    public var writeTimeout = Duration.seconds(30)
    /// Bytes per second that a peer must take while some wait for it (`write_rate`); 0: any, but more than none.
    /// Default: 512.
    public var writeRate = 512
    /// Bytes queued on a connection above which its source is paused (`write_high_water`). Default: 64 KiB.
    public var writeHighWater = 64 << 10
    /// Bytes queued below which the source goes on (`write_low_water`). Default: 16 KiB.
    public var writeLowWater = 16 << 10
    /// Bytes queued toward one child process above which further calls are refused until it has read some
    /// (`stdio_buffer`): -32603, to be retried. Default: 1 MiB.
    public var stdioBuffer = 1 << 20
    /// Results of children that one worker keeps for clients that do not read them (`unread`); above it those end that have
    /// waited longest, of the client for whom most is kept: their connections are closed. Default: 64 MiB.
    public var unread = 64 << 20
    /// One line of a child's stderr in the log, the rest of it is cut (`stderr_line`). Default: 8 KiB.
    public var stderrLine = 8 << 10
    /// Bytes per second of a child's stderr in the log, along with what is no message on its stdout (`stderr_rate`); 0: any.
    /// What comes faster is left out and counted; a child that writes 16 times as fast has to wait. A line counts 64 bytes
    /// more than it has. Default: 64 KiB.
    public var stderrRate = 64 << 10
    /// Bytes of that which may come at once (`stderr_burst`). Default: 1 MiB.
    public var stderrBurst = 1 << 20
    /// Bytes that one worker buffers for all its peers before it sheds new work (`memory`): 503. Nil, written `auto`: half of
    /// the least of what the machine has and cgroups and rlimits allow, shared out among the workers.
    public var memory: Int?
    /// The lists of one upstream together (`list`): a list beyond is left as it was before, which the log and
    /// the metric `sluice_upstream_lists_excessive` say. Default: 16 MiB.
    public var list = 16 << 20
    /// Entries of one list of an upstream (`list_entries`): the same. Default: 100,000.
    public var listEntries = 100_000
    /// Entries on one page of a merged list (`page_entries`). Default: 1,000.
    public var pageEntries = 1000
    /// Bytes on one page of a merged list (`page_size`). Default: 512 KiB.
    public var pageSize = 512 << 10
    /// Making a connection to an upstream, TLS included (`connect_timeout`): -32603. Default: 10 s.
    public var connectTimeout = Duration.seconds(10)
    /// Finding out the era of an upstream (`probe_timeout`): tried again on HTTP; a command has it from when it reads what it
    /// is asked, and is then asked as one of the legacy era. Default: 10 s.
    public var probeTimeout = Duration.seconds(10)
    /// From closing a child's stdin to SIGTERM, and again to SIGKILL (`child_grace`). Default: 2 s.
    public var childGrace = Duration.seconds(2)

    public init() {}
  }
}
