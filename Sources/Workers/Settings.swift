import Configuration
import ConfigurationSyntax
import Logging
import Reactor

/// What one reading of the configuration settled. Never changed: a reload makes another, which each worker takes up
/// between two of its turns, so that nothing a request does sees half of each.
public final class Settings: Sendable {
  public let configuration: GatewayConfiguration
  private let descriptors: UInt64
  /// Of clients' WebSockets, of `/debug/echo`, and of those to upstreams.
  public let socketSettings: WebSocketSettings
  public let echoSettings: WebSocketSettings
  public let upstreamSocketSettings: WebSocketSettings
  let hasSeveralServers: Bool
  /// Header fields, in lower case, by which servers with several endpoints choose among those.
  public let routingHeaders: [String]
  public let tellsClientsApart: Bool
  /// What the process may use, as it was when this was read.
  public let allowance: Allowance
  // Limits that the path of a request reads.
  public let callTimeout: UInt64
  public let callTimeoutCeiling: UInt64
  public let interactionTimeout: UInt64
  public let resumeWindow: UInt64
  /// How old a list may be that its server neither dates nor tells the changes of.
  public let listAge: UInt64
  public let heartbeat: UInt32
  /// How long an answer may be without a first byte, in milliseconds, where its HTTP status may matter: as long as the
  /// SDK's own servers wait, but no longer than anything in between may be left in silence.
  public let undecidedTime: UInt64
  public let resultLimit: Int
  public let childOptions: Children.Options
  public let writeTimeout: UInt32
  public let writeRate: UInt32
  public let sessionIdleTimeout: UInt64
  /// Minutes after its opening for which a session's ticket is taken.
  let sessionAge: UInt32
  /// Bytes that may be kept for one party, a quarter of what a worker may have, and for all, half of it: below the mark at
  /// which newcomers are refused, however many clients hold as much as they may.
  public let holdings: Holdings.Bounds
  /// What a client may say at once: more could never be kept, whatever is configured, and is to be told so at once.
  private let largestMessage: Int
  /// For what the gateway adds to a message.
  private static let margin = 4 << 10
  /// Bytes of a URI that a client listens for or subscribes to, and of all those of one listen or session.
  public let uriLimit: Int
  public let subscriptionLimit: Int
  /// Bytes of results that may wait on a worker for clients that do not read them, where nothing can be paused.
  public let unreadLimit: Int
  let callsPerUpstream: Int
  public let childBacklog: Int
  /// Bytes of events that may wait for a slow reader when nothing upstream can be paused for it.
  public let eventBacklog: Int
  public let depth: Int
  /// What bounds each event loop.
  public let loopLimits: EventLoop.Options
  /// `limits.memory` is more than there is.
  private let memoryIsBounded: Bool
  /// Of the client listeners and, as far as they apply, of the admin listener.
  let httpLimits: HTTPLimits
  let webSocketLimits: HTTPLimits
  /// Whose word on a client's address counts, on the client listeners.
  private let proxies: [ClientNetwork]
  /// The largest message of `/debug/echo`.
  private static let largeMessage = 64 << 20

  /// - Parameters: event loops of the process; how many descriptors it may have, 0 if that is unknown; the soft limit on
  ///   those of children, 0: ours.
  public init(
    _ configuration: GatewayConfiguration, loops: Int = 1, descriptors: UInt64 = 0, childDescriptors: UInt64 = 0,
    allowance: Allowance = .ofThisProcess
  ) {
    self.allowance = allowance
    self.descriptors = descriptors
    self.configuration = configuration
    let listeners = configuration.listeners
    let (memory, isBounded) = Self.memory(of: configuration, allowance, loops: loops)
    memoryIsBounded = isBounded
    holdings = memory > 0 ? Holdings.Bounds(each: memory / 4, all: memory / 2) : Holdings.Bounds(each: .max, all: .max)
    largestMessage = max(1024, holdings.each - Self.margin)
    var options = WebSocketSettings.Options(listeners.webSocket)
    options.maxMessage = min(options.maxMessage, largestMessage)
    socketSettings = .make(options)
    options.maxMessage = Self.largeMessage
    echoSettings = .make(options)
    options.maxMessage = configuration.limits.result
    options.strictFrameSize = false
    upstreamSocketSettings = .make(options)
    hasSeveralServers = configuration.servers.count > 1
    routingHeaders = Self.routingHeaders(of: configuration)
    tellsClientsApart = configuration.listeners.tellClientsApart
    callTimeout = configuration.callTimeout.milliseconds
    callTimeoutCeiling = configuration.callTimeoutCeiling.milliseconds
    interactionTimeout = configuration.interactionTimeout.milliseconds
    listAge = configuration.listTTL.milliseconds
    resumeWindow = configuration.sessions.resumeWindow.milliseconds
    heartbeat = UInt32(clamping: configuration.listeners.http.heartbeatInterval.milliseconds)
    undecidedTime = min(15_000, UInt64(heartbeat))
    resultLimit = configuration.limits.result
    depth = configuration.limits.depth
    sessionIdleTimeout = configuration.sessions.idleTimeout.milliseconds
    sessionAge = UInt32(clamping: (configuration.sessions.maximumAge.milliseconds + 59_999) / 60_000)
    writeTimeout = UInt32(clamping: configuration.limits.writeTimeout.milliseconds)
    writeRate = UInt32(clamping: configuration.limits.writeRate)
    uriLimit = configuration.limits.uri
    subscriptionLimit = configuration.limits.subscriptions
    unreadLimit = configuration.limits.unread
    callsPerUpstream = configuration.limits.inFlight
    childBacklog = configuration.limits.stdioBuffer
    eventBacklog = max(configuration.limits.writeHighWater, configuration.sessions.replay)
    var childOptions = Children.Options()
    childOptions.maximumLine = configuration.limits.result
    childOptions.maximumLogLine = configuration.limits.stderrLine
    childOptions.grace = UInt32(clamping: configuration.limits.childGrace.milliseconds)
    childOptions.chatterRate = configuration.limits.stderrRate
    childOptions.chatterBurst = configuration.limits.stderrBurst
    childOptions.descriptors = childDescriptors
    self.childOptions = childOptions
    var loopLimits = EventLoop.Options()
    loopLimits.writeHighWater = UInt32(clamping: configuration.limits.writeHighWater)
    loopLimits.writeLowWater = UInt32(clamping: configuration.limits.writeLowWater)
    loopLimits.answerHead = UInt32(clamping: configuration.limits.head)
    loopLimits.answerHeaders = UInt32(clamping: configuration.limits.headers)
    loopLimits.memory = memory
    proxies = configuration.trustedProxies.flatMap(\.networks).map {
      ClientNetwork(ClientAddress(high: $0.high, low: $0.low), bits: UInt8($0.bits))
    }
    let body = min(configuration.limits.body, largestMessage)
    httpLimits = Self.limits(
      configuration, listeners.http.maxConnections, body: body, descriptors: Int(clamping: descriptors),
      processors: allowance.processors)
    webSocketLimits = Self.limits(
      configuration, listeners.webSocket.maxConnections, body: body, descriptors: Int(clamping: descriptors),
      processors: allowance.processors)
    // Connections to upstreams come beside those of clients, and neither may be all on one loop.
    loopLimits.maximumConnections = httpLimits.maxConnections + webSocketLimits.maxConnections + 16_384
    self.loopLimits = loopLimits
  }

  private static func routingHeaders(of configuration: GatewayConfiguration) -> [String] {
    var names: Set<String> = []
    for server in configuration.servers {
      if case .header(let name) = server.routing.key { names.insert(name) }
    }
    return names.sorted()
  }

  /// The minute since which a session must have been opened whose ticket is taken.
  public func oldestTicket(at minute: UInt32) -> UInt32 { minute > sessionAge ? minute - sessionAge : 0 }

  /// Of the listener with that label.
  public func limits(of label: UInt32) -> HTTPLimits {
    label == ListenerLabel.webSocket ? webSocketLimits : httpLimits
  }

  /// Has a listener with that label take what these settings say of it.
  public func apply(to listener: Listener, _ label: UInt32) {
    listener.setLimits(limits(of: label))
    let listeners = configuration.listeners
    switch label {
    case ListenerLabel.http: listener.setProxies(proxies, proxyProtocol: listeners.http.proxyProtocol)
    case ListenerLabel.webSocket: listener.setProxies(proxies, proxyProtocol: listeners.webSocket.proxyProtocol)
    default: listener.setProxies(proxies, proxyProtocol: false)
    }
  }

  private static func limits(
    _ configuration: GatewayConfiguration, _ wanted: Int, body: Int, descriptors: Int, processors: Int
  ) -> HTTPLimits {
    var limits = HTTPLimits()
    let configured = configuration.limits
    limits.maxHead = UInt32(clamping: configured.head)
    limits.maxTarget = UInt32(clamping: configured.target)
    limits.maxHeaders = UInt32(clamping: configured.headers)
    limits.maxBody = UInt64(body)
    limits.headTimeout = UInt32(clamping: configured.headTimeout.milliseconds)
    limits.bodyTimeout = UInt32(clamping: configured.bodyTimeout.milliseconds)
    limits.bodyRate = UInt32(clamping: configured.bodyRate)
    limits.pipeline = UInt32(clamping: configured.pipeline)
    limits.idleTimeout = UInt32(clamping: configured.idleTimeout.milliseconds)
    limits.perAddress = UInt32(clamping: configured.connectionsPerAddress)
    limits.maxConnections = UInt32(clamping: clamp(wanted, configuration, to: descriptors, processors: processors))
    return limits
  }

  /// Bytes that a loop may take for its peers, and whether that is less than was configured: all together no more than what
  /// the process is brought down to when memory is short.
  private static func memory(
    of configuration: GatewayConfiguration, _ allowance: Allowance, loops: Int
  ) -> (bytes: Int, isBounded: Bool) {
    guard let wanted = configuration.limits.memory else { return (Int(clamping: allowance.memory / 2) / loops, false) }
    let share = Int(clamping: allowance.memory / 10 * 7) / loops
    return share > 0 && wanted > share ? (share, true) : (wanted, false)
  }

  /// The connections that fit into so many descriptors, with a quarter of them kept for upstreams.
  private static func clamp(_ wanted: Int, _ configuration: GatewayConfiguration, to descriptors: Int, processors: Int)
    -> Int
  {
    guard descriptors > 0 else { return wanted }
    let own = 64 + 16 * (configuration.workers ?? processors) + 8 * configuration.servers.count
    return min(wanted, max(16, (descriptors - own) / 4 * 3))
  }

  /// Says what of the configuration could not be had.
  public func warn(_ logger: Logger) {
    if memoryIsBounded {
      logger.warning(
        "limits.memory is \(loopLimits.memory >> 20) MiB for each worker: more does not fit into the \(allowance.memory >> 20) MiB that this process may have"
      )
    }
    for (key, bytes) in [
      ("limits.body", configuration.limits.body),
      ("listeners.websocket.max_message_size", configuration.listeners.webSocket.maxMessageSize),
    ] where bytes > largestMessage {
      logger.warning(
        "\(key) is \(largestMessage >> 10) KiB instead of \(bytes >> 10): of the \(loopLimits.memory >> 10) KiB of limits.memory that a worker may have, no more is kept for one client"
      )
    }
    let wanted = configuration.listeners.http.maxConnections
    guard httpLimits.maxConnections < wanted else { return }
    logger.warning(
      "max_connections is \(httpLimits.maxConnections) instead of \(wanted): more do not fit into the \(descriptors) descriptors that this process may have"
    )
  }
}

extension WebSocketSettings.Options {
  fileprivate init(_ configured: GatewayConfiguration.Listeners.WebSocket) {
    self.init()
    maxMessage = configured.maxMessageSize
    maxFrame = configured.maxFrameSize
    strictFrameSize = configured.strictFrameSize
    compression = configured.compression
    compressionThreshold = UInt32(clamping: configured.compressionThreshold)
    pingInterval = UInt32(clamping: configured.pingInterval.milliseconds)
    pongTimeout = UInt32(clamping: configured.pongTimeout.milliseconds)
  }
}
