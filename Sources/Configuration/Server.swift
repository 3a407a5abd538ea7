extension GatewayConfiguration {
  /// One upstream MCP server.
  package struct Server: Sendable, Equatable {
    /// The name in paths and prefixes: `[a-z0-9][a-z0-9_-]{0,31}` without `__`.
    package var alias: String
    /// The name as its file spells it.
    package var displayName: String
    package var kind: Kind
    /// Who shares an upstream session of a legacy server, or a child (`isolation`).
    /// Default: session for a url; for a command shared, or principal where clients are told apart.
    package var isolation: Isolation
    /// Which revisions the upstream speaks (`era`). Default: auto, find out.
    package var era = Era.automatic
    /// Children started for a command (`replicas`, not active yet). Default: 1.
    package var replicas = 1
    /// Where the server is configured.
    package var position: SourcePosition

    package init(alias: String, displayName: String? = nil, kind: Kind, position: SourcePosition) {
      self.alias = alias
      self.displayName = displayName ?? alias
      self.kind = kind
      self.position = position
      switch kind {
      case .command: isolation = .shared
      case .url: isolation = .session
      }
    }

    package enum Kind: Sendable, Equatable {
      case command(Command)
      case url(Remote)
    }

    package enum Isolation: String, Sendable, CaseIterable {
      case shared, principal, session
    }

    package enum Era: String, Sendable, CaseIterable {
      case automatic = "auto"
      case legacy, modern
    }
  }

  /// A server that is started as a child process and speaks over its standard streams.
  package struct Command: Sendable, Equatable {
    /// A path, or a name to look up in PATH.
    package var command: String
    package var arguments: [String]
    /// The arguments for reports: as they were written, before variables were put into them.
    package var shownArguments: [String]
    /// Added to the few variables that every child gets; `env` over the lines of `envFile`.
    package var environment: [String: String]
    /// nil: the gateway's own.
    package var workingDirectory: String?

    package init(
      command: String, arguments: [String] = [], shownArguments: [String]? = nil, environment: [String: String] = [:],
      workingDirectory: String? = nil
    ) {
      self.command = command
      self.arguments = arguments
      self.shownArguments = shownArguments ?? arguments
      self.environment = environment
      self.workingDirectory = workingDirectory
    }

    /// How it is shown makes it no other command.
    package static func == (one: Command, other: Command) -> Bool {
      one.command == other.command && one.arguments == other.arguments && one.environment == other.environment
        && one.workingDirectory == other.workingDirectory
    }
  }

  /// A server that is reached at URLs.
  package struct Remote: Sendable, Equatable {
    /// At least one; `url` is the first.
    package var endpoints: [Endpoint]
    /// Sent with every request, in this order. Names are tokens, values hold no control characters.
    package var headers: [Header]
    package var transport: Transport
    package var tls: UpstreamTLS

    package init(
      endpoints: [Endpoint], headers: [Header] = [], transport: Transport = .automatic, tls: UpstreamTLS = UpstreamTLS()
    ) {
      self.endpoints = endpoints
      self.headers = headers
      self.transport = transport
      self.tls = tls
    }

    package enum Transport: String, Sendable, CaseIterable {
      /// Streamable HTTP if the endpoint speaks it, HTTP+SSE otherwise.
      case automatic = "auto"
      /// Streamable HTTP.
      case http
      /// HTTP+SSE of revision 2024-11-05.
      case sse
      /// WebSocket.
      case webSocket = "ws"
    }
  }

  package struct Endpoint: Sendable, Equatable {
    package var url: EndpointURL
    /// The URL for reports, without what may be a secret.
    package var shown: String
    /// Share of the ring relative to the other endpoints. Default: 1.
    package var weight: Int

    /// - Parameter template: the URL as it was written, where variables were put into it.
    package init(url: EndpointURL, weight: Int = 1, template: String? = nil) {
      self.url = url
      shown = url.masked(template: template)
      self.weight = weight
    }

    /// How it is shown makes it no other endpoint.
    package static func == (one: Endpoint, other: Endpoint) -> Bool {
      one.url == other.url && one.weight == other.weight
    }
  }

  package struct Header: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What an https or wss upstream is checked against, and what it is shown.
  package struct UpstreamTLS: Sendable, Equatable {
    /// PEM file with the roots to trust instead of the system's (`tls.ca`).
    package var ca: String?
    /// PEM file with the gateway's certificate chain (`tls.cert`).
    package var certificate: String?
    /// PEM file with the gateway's private key (`tls.key`).
    package var key: String?
    /// Check the certificate and its host name (`tls.verify`). Default: true.
    package var verify: Bool

    package init(ca: String? = nil, certificate: String? = nil, key: String? = nil, verify: Bool = true) {
      self.ca = ca
      self.certificate = certificate
      self.key = key
      self.verify = verify
    }
  }
}
