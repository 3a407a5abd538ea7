extension GatewayConfiguration {
  /// Where the gateway accepts connections.
  public struct Listeners: Sendable, Equatable {
    /// Streamable HTTP and HTTP+SSE (`listeners.http`).
    public var http = HTTP()
    /// WebSocket (`listeners.websocket`). Its settings hold for WebSockets on `listeners.http` too.
    public var webSocket = WebSocket()
    /// Health, metrics and the operator's API (`listeners.admin`).
    public var admin = Admin()

    public init() {}

    public struct HTTP: Sendable, Equatable {
      /// An address or a name to bind (`listeners.http.host`). Default: 127.0.0.1.
      public var host = "127.0.0.1"
      /// `listeners.http.port`, 0 for any free port. Default: 4001.
      public var port = 4001
      /// Connections of all workers together; one more is answered with 503 (`listeners.http.max_connections`).
      /// Clamped at start to what the descriptor limit allows. Default: 10,000.
      public var maxConnections = 10_000
      /// A comment goes out on an SSE stream that was silent for this long (`listeners.http.heartbeat_interval`).
      /// Default: 30 s.
      public var heartbeatInterval = Duration.seconds(30)
      /// Values of `Origin` taken besides loopback origins, such as `https://app.example` (`listeners.http.allowed_origins`);
      /// `*` takes any. Default: none.
      public var allowedOrigins: [String] = []
      /// Names taken in `Host` besides the bound host and loopback names, without a port, lower-case
      /// (`listeners.http.allowed_hosts`); `*` takes any. Default: none.
      public var allowedHosts: [String] = []
      /// Connections begin with a header of the PROXY protocol, and are taken from trusted proxies alone
      /// (`listeners.http.proxy_protocol`). Default: false.
      public var proxyProtocol = false
      /// Serve https instead of http (`listeners.http.tls`).
      public var tls: TLS?

      public init() {}
    }

    public struct WebSocket: Sendable, Equatable {
      /// `listeners.websocket.host`. Default: 127.0.0.1.
      public var host = "127.0.0.1"
      /// `listeners.websocket.port`, 0 for any free port. Default: 4002.
      public var port = 4002
      /// Connections of this listener, all workers together (`listeners.websocket.max_connections`). Clamped at start to
      /// what the descriptor limit allows. Default: 10,000.
      public var maxConnections = 10_000
      /// Offer permessage-deflate (`listeners.websocket.compression`). Default: true.
      public var compression = true
      /// Messages below this many bytes go uncompressed (`listeners.websocket.compression_threshold`). Default: 1 KiB.
      public var compressionThreshold = 1 << 10
      /// Bytes of the largest frame that is sent; messages above it go in fragments
      /// (`listeners.websocket.max_frame_size`). Default: 64 KiB.
      public var maxFrameSize = 64 << 10
      /// Refuse larger frames from clients too, with 1009 (`listeners.websocket.strict_frame_size`). Default: false.
      public var strictFrameSize = false
      /// Bytes of the largest message from a client, after inflation; a larger one ends its connection with 1009
      /// (`listeners.websocket.max_message_size`). Default: 4 MiB.
      public var maxMessageSize = 4 << 20
      /// A client that was silent for so long is sent a ping (`listeners.websocket.ping_interval`). Default: 30 s.
      public var pingInterval = Duration.seconds(30)
      /// A client that says nothing for so long after a ping is gone (`listeners.websocket.pong_timeout`).
      /// Default: 10 s.
      public var pongTimeout = Duration.seconds(10)
      /// `listeners.websocket.proxy_protocol`.
      public var proxyProtocol = false
      /// `listeners.websocket.tls`.
      public var tls: TLS?

      public init() {}
    }

    public struct Admin: Sendable, Equatable {
      /// `listeners.admin.host`. Default: 127.0.0.1.
      public var host = "127.0.0.1"
      /// `listeners.admin.port`, 0 for any free port. Default: 4003.
      public var port = 4003
      /// `listeners.admin.tls`.
      public var tls: TLS?

      public init() {}
    }

    /// Whether clients have names, by which one is told from another: certificates are asked for. As long as none are all
    /// clients are the same nobody.
    public var tellClientsApart: Bool {
      [http.tls, webSocket.tls].contains { $0.map { $0.clientAuthentication != .off } ?? false }
    }

    /// Those that serve TLS, by the name of their section.
    public var encrypted: [(name: String, tls: TLS)] {
      [("http", http.tls), ("websocket", webSocket.tls), ("admin", admin.tls)].compactMap { name, tls in
        tls.map { (name, $0) }
      }
    }
  }
}
