import ConfigurationSyntax

extension GatewayConfiguration {
  /// One upstream MCP server.
  public struct Server: Sendable, Equatable {
    /// The name in paths and prefixes: `[a-z0-9][a-z0-9_-]{0,31}` without `__`.
    public var alias: String
    /// The name as its file spells it.
    public var displayName: String
    public var kind: Kind
    /// Who shares an upstream session of a legacy server, or a child (`isolation`).
    /// Default: session for a url; for a command shared, or principal where clients are told apart.
    public var isolation: Isolation
    /// Which revisions the upstream speaks (`era`). Default: auto, find out.
    public var era = Era.automatic
    /// Connections to one endpoint of it: the general `pool` with what its own says instead.
    public var pool = Pool()
    /// Choice among its endpoints: the general `routing` with what its own says instead.
    public var routing = Routing()
    /// Endpoints of a command, each with a child of its own for whoever shares one (`replicas`). Default: 1.
    public var replicas = 1
    /// Of which addresses of an endpoint's name an endpoint is made (`resolve`). Default: first.
    public var resolve = Resolve.first
    /// Names of its endpoints are looked up while it runs: each of their addresses is an endpoint.
    public var followsNames: Bool {
      guard resolve == .all, case .url(let remote) = kind else { return false }
      return remote.endpoints.contains { !$0.url.isAddress }
    }
    /// Whether the hints of its tools (`readOnlyHint`, `idempotentHint`) are taken for true, so that a call of one may be
    /// repeated (`trust_hints`). Default: false.
    public var trustHints = false
    /// How often a child of it that dies is started again (`restarts`).
    public var restarts = Restarts()
    /// A shared child without a call for so long is stopped until the next one (`idle_stop`); nil, written `off`: it stays.
    /// Default: off.
    public var idleStop: Duration?
    /// What each child of it may take (`limits`).
    public var childLimits = ChildLimits()
    /// Where the server is configured.
    public var position: SourcePosition

    public init(alias: String, displayName: String? = nil, kind: Kind, position: SourcePosition) {
      self.alias = alias
      self.displayName = displayName ?? alias
      self.kind = kind
      self.position = position
      switch kind {
      case .command: isolation = .shared
      case .url: isolation = .session
      }
    }

    public enum Kind: Sendable, Equatable {
      case command(Command)
      case url(Remote)
    }

    /// It is a process that the gateway starts.
    public var isCommand: Bool { if case .command = kind { true } else { false } }

    public enum Isolation: String, Sendable, CaseIterable {
      case shared, principal, session
    }

    public enum Resolve: String, Sendable, CaseIterable {
      /// The name is one endpoint, at the first address that answers.
      case first
      /// Each address is an endpoint.
      case all
    }

    public enum Era: String, Sendable, CaseIterable {
      case automatic = "auto"
      case legacy, modern
    }
  }

  /// How often a child that dies is started again before its server counts as failed.
  public struct Restarts: Sendable, Equatable {
    /// Restarts within `window` after which the next death is the last until a reload (`restarts.limit`); 0: the first
    /// death is. Default: 10.
    public var limit = 10
    /// `restarts.window`. Default: 1 min.
    public var window = Duration.seconds(60)

    public init() {}
  }

  /// What one child may take; nil: as much as the gateway itself.
  public struct ChildLimits: Sendable, Equatable {
    /// Bytes of memory (`limits.memory`).
    public var memory: Int?
    /// Time of CPUs, in thousandths of one (`limits.cpu`, which counts CPUs: 0.5).
    public var milliCPUs: Int?
    /// Files and connections that it may have open (`limits.descriptors`).
    public var descriptors: Int?
    /// Processes and threads, of everything that its user runs (`limits.processes`).
    public var processes: Int?

    public init() {}

    public var areNone: Bool { self == ChildLimits() }
  }

  /// A server that is started as a child process and speaks over its standard streams.
  public struct Command: Sendable, Equatable {
    /// A path, or a name to look up in PATH.
    public var command: String
    public var arguments: [String]
    /// The arguments for reports: as they were written, before variables were put into them.
    public var shownArguments: [String]
    /// Added to the few variables that every child gets; `env` over the lines of `envFile`.
    public var environment: [String: String]
    /// nil: the gateway's own.
    public var workingDirectory: String?

    public init(
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
    public static func == (one: Command, other: Command) -> Bool {
      one.command == other.command && one.arguments == other.arguments && one.environment == other.environment
        && one.workingDirectory == other.workingDirectory
    }
  }

  /// A server that is reached at URLs.
  public struct Remote: Sendable, Equatable {
    /// At least one; `url` is the first.
    public var endpoints: [Endpoint]
    /// Sent with every request, in this order. Names are tokens, values hold no control characters.
    public var headers: [Header]
    public var transport: Transport
    public var tls: UpstreamTLS

    public init(
      endpoints: [Endpoint], headers: [Header] = [], transport: Transport = .automatic, tls: UpstreamTLS = UpstreamTLS()
    ) {
      self.endpoints = endpoints
      self.headers = headers
      self.transport = transport
      self.tls = tls
    }

    public enum Transport: String, Sendable, CaseIterable {
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

  public struct Endpoint: Sendable, Equatable {
    public var url: EndpointURL
    /// The URL for reports, without what may be a secret.
    public var shown: String
    /// Share of the ring relative to the other endpoints. Default: 1.
    public var weight: Int

    /// - Parameter template: the URL as it was written, where variables were put into it.
    public init(url: EndpointURL, weight: Int = 1, template: String? = nil) {
      self.url = url
      shown = url.masked(template: template)
      self.weight = weight
    }

    /// How it is shown makes it no other endpoint.
    public static func == (one: Endpoint, other: Endpoint) -> Bool {
      one.url == other.url && one.weight == other.weight
    }
  }

  public struct Header: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What an https or wss upstream is checked against, and what it is shown.
  public struct UpstreamTLS: Sendable, Equatable {
    /// PEM file with the roots to trust instead of the system's (`tls.ca`).
    public var ca: String?
    /// PEM file with the gateway's certificate chain (`tls.cert`).
    public var certificate: String?
    /// PEM file with the gateway's private key (`tls.key`).
    public var key: String?
    /// Check the certificate and its host name (`tls.verify`). Default: true.
    public var verify: Bool

    public init(ca: String? = nil, certificate: String? = nil, key: String? = nil, verify: Bool = true) {
      self.ca = ca
      self.certificate = certificate
      self.key = key
      self.verify = verify
    }
  }
}
