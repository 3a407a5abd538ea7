import Configuration
import ConfigurationSyntax

/// The keys of the YAML file. Adding a setting means adding its property, its line here, and its lines in the schema and
/// the example, which tests compare with this table.
enum Grammar {
  /// The document while it is read: servers are drafts until all layers are in.
  struct Draft {
    var configuration = GatewayConfiguration()
    var servers: [ServerDraft] = []
  }

  static let mebibyte = 1 << 20
  static let gibibyte = 1 << 30

  static var document: [Field<Draft>] {
    [
      .section("listeners", \.configuration.listeners, listeners),
      .custom("servers", members: [KeyOutline(name: "*", members: ServerDraft.fields.map(\.outline))]) {
        node, draft, reading in
        draft.servers = reading.servers(node)
      },
      .choice("prefix", \.configuration.prefix),
      .section("limits", \.configuration.limits, limits),
      .section("sessions", \.configuration.sessions, sessions),
      .section("pool", \.configuration.pool, EndpointGrammar.pool),
      .section("routing", \.configuration.routing, EndpointGrammar.routing),
      .section("rate_limiting", \.configuration.rateLimiting, rateLimiting).inactive,
      .duration("drain_timeout", \.configuration.drainTimeout, in: .zero ... .seconds(86_400)),
      .duration("call_timeout", \.configuration.callTimeout),
      .duration("call_timeout_ceiling", \.configuration.callTimeoutCeiling),
      .duration("interaction_timeout", \.configuration.interactionTimeout),
      .duration("start_timeout", \.configuration.startTimeout),
      .duration("first_list_wait", \.configuration.firstListWait, in: .zero ... .seconds(3600)),
      .duration("list_ttl", \.configuration.listTTL, in: .zero ... .seconds(86_400)),
      .section("log", \.configuration.log, [.choice("level", \.level), .choice("format", \.format)]),
      .value("workers", \.configuration.workers, expected: "`auto` or a whole number from 1 to 256") { text in
        if text == "auto" { return .some(nil) }
        return Quantity.whole(text[...]).flatMap { (1...256).contains($0) ? .some($0) : nil }
      },
      .value(
        "takeover_socket", \.configuration.takeoverSocket, expected: "`auto` or an absolute path of at most 96 bytes"
      ) { text throws(Unfit) in
        text == "auto" ? .some(nil) : .some(try FilePath.absolute(text, most: 96, isDirectory: false))
      },
      .list(
        "trusted_proxies", \.configuration.trustedProxies, expected: IPNetwork.form,
        parse: trustedProxy),
      .value("state_dir", \.configuration.stateDirectory, expected: "`auto`, `off` or an absolute path") {
        text throws(Unfit) in
        switch text {
        case "auto": .automatic
        case "off": .off
        default: .path(try FilePath.absolute(text, isDirectory: true))
        }
      },
      .flag("allow_unauthenticated", \.configuration.allowUnauthenticated),
    ]
  }

  /// The names of all keys, for suggestions and for the schema's test.
  static var outline: [KeyOutline] { document.map(\.outline) }

  private static var listeners: [Field<GatewayConfiguration.Listeners>] {
    [
      .section(
        "http", \.http,
        [
          .host("host", \.host),
          .integer("port", \.port, in: 0...65_535),
          .integer("max_connections", \.maxConnections, in: 1...10_000_000),
          .duration("heartbeat_interval", \.heartbeatInterval, in: .seconds(1) ... .seconds(3600)),
          .list(
            "allowed_origins", \.allowedOrigins, expected: "an origin such as `https://app.example`, or `*`",
            parse: HostForm.origin),
          .list(
            "allowed_hosts", \.allowedHosts, expected: "a host name without a port, or `*`",
            parse: HostForm.allowedHost),
          .flag("proxy_protocol", \.proxyProtocol),
          .listenerTLS(\.tls),
        ]),
      .section(
        "websocket", \.webSocket,
        [
          .host("host", \.host),
          .integer("port", \.port, in: 0...65_535),
          .integer("max_connections", \.maxConnections, in: 1...10_000_000),
          .flag("compression", \.compression),
          .size("compression_threshold", \.compressionThreshold, in: 0...gibibyte),
          .size("max_frame_size", \.maxFrameSize, in: 125...gibibyte),
          .flag("strict_frame_size", \.strictFrameSize),
          .size("max_message_size", \.maxMessageSize, in: 1024...gibibyte),
          .duration("ping_interval", \.pingInterval, in: .seconds(1) ... .seconds(86_400)),
          .duration("pong_timeout", \.pongTimeout, in: .milliseconds(100) ... .seconds(86_400)),
          .flag("proxy_protocol", \.proxyProtocol),
          .listenerTLS(\.tls),
        ]),
      .section(
        "admin", \.admin,
        [.host("host", \.host), .integer("port", \.port, in: 0...65_535), .listenerTLS(\.tls)]),
    ]
  }

  private static var limits: [Field<GatewayConfiguration.Limits>] {
    [
      .size("head", \.head, in: 1024...16 * mebibyte),
      .size("target", \.target, in: 256...mebibyte),
      .integer("headers", \.headers, in: 8...100),
      .size("body", \.body, in: 1024...2 * gibibyte),
      .size("result", \.result, in: 1024...2 * gibibyte),
      .integer("depth", \.depth, in: 8...1000),
      .integer("batch", \.batch, in: 1...10_000),
      .size("pipeline", \.pipeline, in: 1024...64 * mebibyte),
      .integer("connections_per_address", \.connectionsPerAddress, in: 1...10_000_000),
      .size("uri", \.uri, in: 256...mebibyte),
      .size("subscriptions", \.subscriptions, in: 1024...gibibyte),
      .integer("streams_per_session", \.streamsPerSession, in: 1...10_000),
      .integer("in_flight", \.inFlight, in: 1...65_536),
      .duration("head_timeout", \.headTimeout),
      .duration("body_timeout", \.bodyTimeout),
      .size("body_rate", \.bodyRate, in: 0...gibibyte),
      .duration("idle_timeout", \.idleTimeout),
      .duration("write_timeout", \.writeTimeout),
      .size("write_rate", \.writeRate, in: 0...gibibyte),
      .size("write_high_water", \.writeHighWater, in: 4096...gibibyte),
      .size("write_low_water", \.writeLowWater, in: 0...gibibyte),
      .size("stdio_buffer", \.stdioBuffer, in: 4096...gibibyte),
      .size("unread", \.unread, in: mebibyte...1024 * gibibyte),
      .size("stderr_line", \.stderrLine, in: 80...mebibyte),
      .size("stderr_rate", \.stderrRate, in: 0...gibibyte),
      .size("stderr_burst", \.stderrBurst, in: 1024...gibibyte),
      .value("memory", \.memory, expected: "`auto` or \(Quantity.sizeForm), at least 1MiB") { text in
        if text == "auto" { return .some(nil) }
        return Quantity.size(text).flatMap { (mebibyte...1024 * gibibyte).contains($0) ? .some($0) : nil }
      },
      .size("list", \.list, in: 4096...2 * gibibyte),
      .integer("list_entries", \.listEntries, in: 1...100_000_000),
      .integer("page_entries", \.pageEntries, in: 1...100_000),
      .size("page_size", \.pageSize, in: 4096...64 * mebibyte),
      .duration("connect_timeout", \.connectTimeout),
      .duration("probe_timeout", \.probeTimeout),
      .duration("child_grace", \.childGrace, in: .zero ... .seconds(3600)),
    ]
  }

  private static var sessions: [Field<GatewayConfiguration.Sessions>] {
    [
      .duration("idle_timeout", \.idleTimeout, in: .seconds(1) ... .seconds(366 * 86_400)),
      .integer("max", \.maximum, in: 1...100_000_000),
      .value("per_client", \.perClient, expected: "`auto` or a whole number from 1 to 100,000,000") { text in
        if text == "auto" { return .some(nil) }
        return Quantity.whole(text[...]).flatMap { (1...100_000_000).contains($0) ? .some($0) : nil }
      },
      .size("replay", \.replay, in: 0...gibibyte),
      .duration("resume_window", \.resumeWindow, in: .zero ... .seconds(86_400)),
      .duration("max_age", \.maximumAge, in: .seconds(60) ... .seconds(366 * 86_400)),
      .secrets("secret", \.secrets, atLeast: GatewayConfiguration.Sessions.shortestSecret),
      .path("secret_file", \.secretFile),
    ]
  }

  private static func trustedProxy(_ text: String) throws(Unfit) -> GatewayConfiguration.TrustedProxy {
    text == "loopback" ? .loopback : .network(try IPNetwork(reading: text))
  }

  private static var rateLimiting: [Field<GatewayConfiguration.RateLimiting>] {
    [
      .integer("default_limit", \.defaultLimit, in: 1...100_000_000),
      .integer("refill_rate", \.refillRate, in: 1...100_000_000),
    ]
  }
}

extension Field {
  fileprivate static func host(_ name: String, _ target: WritableKeyPath<Root, String>) -> Field {
    value(
      name, target, expected: "an address or a host name, such as `127.0.0.1`, `::1` or `0.0.0.0`",
      parse: HostForm.host)
  }
}
