/// The parts of an upstream's URL that a client needs: whom to connect to, and what to ask for.
public struct EndpointURL: Sendable, Hashable, CustomStringConvertible {
  public var scheme: Scheme
  /// A lower-case name or an address; an IPv6 address without its brackets.
  public var host: String
  public var port: Int
  /// Path and query as they go into the request line; starts with `/`.
  public var target: String

  public init(scheme: Scheme, host: String, port: Int, target: String) {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.target = target
  }

  public enum Scheme: String, Sendable, CaseIterable {
    case http, https, ws, wss

    public var defaultPort: Int {
      switch self {
      case .http, .ws: 80
      case .https, .wss: 443
      }
    }

    public var isEncrypted: Bool { self == .https || self == .wss }
    public var isWebSocket: Bool { self == .ws || self == .wss }
  }

  /// The value of `Host` (RFC 9110 section 7.2): brackets around IPv6, no default port.
  public var authority: String {
    port == scheme.defaultPort ? Authority.bracketed(host) : Authority.text(host, port)
  }

  /// Whether there is no name to look up.
  public var isAddress: Bool { host.contains(":") || IPNetwork(parsing: host) != nil }

  public var description: String { "\(scheme.rawValue)://\(authority)\(target)" }
}
