extension GatewayConfiguration {
  /// Where the gateway accepts connections.
  package struct Listeners: Sendable, Equatable {
    /// Streamable HTTP and HTTP+SSE (`listeners.http`).
    package var http = HTTP()
    /// WebSocket (`listeners.websocket`). Its settings hold for WebSockets on `listeners.http` too.
    package var webSocket = WebSocket()
    /// Health, metrics and the operator's API (`listeners.admin`).
    package var admin = Admin()

    package init() {}

    package struct HTTP: Sendable, Equatable {
      /// An address or a name to bind (`listeners.http.host`). Default: 127.0.0.1.
      package var host = "127.0.0.1"
      /// `listeners.http.port`, 0 for any free port. Default: 4001.
      package var port = 4001
      /// Connections of all workers together; one more is answered with 503 (`listeners.http.max_connections`).
      /// Clamped at start to what the descriptor limit allows. Default: 10,000.
      package var maxConnections = 10_000
      /// A comment goes out on an SSE stream that was silent for this long (`listeners.http.heartbeat_interval`).
      /// Default: 30 s.
      package var heartbeatInterval = Duration.seconds(30)
      /// Values of `Origin` taken besides loopback origins, such as `https://app.example` (`listeners.http.allowed_origins`);
      /// `*` takes any. Default: none.
      package var allowedOrigins: [String] = []
      /// Names taken in `Host` besides the bound host and loopback names, without a port, lower-case
      /// (`listeners.http.allowed_hosts`); `*` takes any. Default: none.
      package var allowedHosts: [String] = []
      /// Connections begin with a header of the PROXY protocol, and are taken from trusted proxies alone
      /// (`listeners.http.proxy_protocol`). Default: false.
      package var proxyProtocol = false
      /// Serve https instead of http (`listeners.http.tls`).
      package var tls: TLS?

      package init() {}
    }

    package struct WebSocket: Sendable, Equatable {
      /// `listeners.websocket.host`. Default: 127.0.0.1.
      package var host = "127.0.0.1"
      /// `listeners.websocket.port`, 0 for any free port. Default: 4002.
      package var port = 4002
      /// Connections of this listener, all workers together (`listeners.websocket.max_connections`). Clamped at start to
      /// what the descriptor limit allows. Default: 10,000.
      package var maxConnections = 10_000
      /// Offer permessage-deflate (`listeners.websocket.compression`). Default: true.
      package var compression = true
      /// Messages below this many bytes go uncompressed (`listeners.websocket.compression_threshold`). Default: 1 KiB.
      package var compressionThreshold = 1 << 10
      /// Bytes of the largest frame that is sent; messages above it go in fragments
      /// (`listeners.websocket.max_frame_size`). Default: 64 KiB.
      package var maxFrameSize = 64 << 10
      /// Refuse larger frames from clients too, with 1009 (`listeners.websocket.strict_frame_size`). Default: false.
      package var strictFrameSize = false
      /// Bytes of the largest message from a client, after inflation; a larger one ends its connection with 1009
      /// (`listeners.websocket.max_message_size`). Default: 4 MiB.
      package var maxMessageSize = 4 << 20
      /// A client that was silent for so long is sent a ping (`listeners.websocket.ping_interval`). Default: 30 s.
      package var pingInterval = Duration.seconds(30)
      /// A client that says nothing for so long after a ping is gone (`listeners.websocket.pong_timeout`).
      /// Default: 10 s.
      package var pongTimeout = Duration.seconds(10)
      /// `listeners.websocket.proxy_protocol`.
      package var proxyProtocol = false
      /// `listeners.websocket.tls`.
      package var tls: TLS?

      package init() {}
    }

    package struct Admin: Sendable, Equatable {
      /// `listeners.admin.host`. Default: 127.0.0.1.
      package var host = "127.0.0.1"
      /// `listeners.admin.port`, 0 for any free port. Default: 4003.
      package var port = 4003
      /// `listeners.admin.tls`.
      package var tls: TLS?

      package init() {}
    }

    /// Whether clients have names, by which one is told from another: certificates are asked for. As long as none are all
    /// clients are the same nobody.
    package var tellClientsApart: Bool {
      [http.tls, webSocket.tls].contains { $0.map { $0.clientAuthentication != .off } ?? false }
    }

    /// Those that serve TLS, by the name of their section.
    package var encrypted: [(name: String, tls: TLS)] {
      [("http", http.tls), ("websocket", webSocket.tls), ("admin", admin.tls)].compactMap { name, tls in
        tls.map { (name, $0) }
      }
    }
  }
}
