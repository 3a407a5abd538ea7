import Configuration
import MCP
import Wire
import Workers

/// Which `Host` and `Origin` values are taken (MCP 2025-11-25, Basic/Transports, Security Warning): a page in somebody's
/// browser must not reach a gateway on that person's machine, whatever name it resolved to.
final class OriginPolicy: Sendable {
  /// One behind the other, and where each ends: every request is compared with them, and each array would be counted.
  private let hosts: [UInt8]
  private let hostEnds: [Int]
  private let origins: [[UInt8]]
  private let anyHost: Bool
  private let anyAddress: Bool
  private let anyOrigin: Bool

  /// - Parameters: the address that is bound; the listener that says what else is taken; whether `Host` may be any address,
  ///   as no name can lead a browser to one: probes know a container by nothing else.
  init(host: String, like listener: GatewayConfiguration.Listeners.HTTP, anyAddress: Bool = false) {
    self.anyAddress = anyAddress
    var hosts = ["localhost", "127.0.0.1", "[::1]"]
    let bound = host.lowercased()
    let isWildcard = bound == "0.0.0.0" || bound == "::" || bound == "*"
    if !isWildcard { hosts.append(Self.bracketed(bound)) }
    hosts += listener.allowedHosts.map(Self.bracketed)
    self.hosts = hosts.flatMap { Array($0.utf8) }
    var end = 0
    hostEnds = hosts.map { host in
      end += host.utf8.count
      return end
    }
    origins = listener.allowedOrigins.map { Array($0.utf8) }
    // Who binds to all addresses is reached by names that can't be known here.
    anyHost = listener.allowedHosts.contains("*") || (isWildcard && listener.allowedHosts.isEmpty)
    anyOrigin = listener.allowedOrigins.contains("*")
  }

  /// As `Host` has it.
  private static func bracketed(_ host: String) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
  }

  func check(_ head: RequestHead) -> GatewayError? {
    if !anyHost, let host = head.header(.host), !isAllowed(host: Self.name(of: host)) {
      return GatewayError(
        .badHost, message: "this Host is not served here; add it to listeners.http.allowed_hosts")
    }
    // Whoever reads only one of two would be fooled by the other.
    if head.isRepeated(.origin) {
      return GatewayError(.badOrigin, message: "Origin comes twice")
    }
    if !anyOrigin, let origin = head.header(.origin), !isAllowed(origin: origin) {
      return GatewayError(
        .badOrigin, message: "this Origin is not allowed; add it to listeners.http.allowed_origins")
    }
    return nil
  }

  private func isAllowed(host: RawSpan) -> Bool {
    if anyAddress, Self.isAddress(host) { return true }
    let hosts = hosts
    var start = 0
    for index in hostEnds.indices {
      let end = hostEnds[index]
      if host.equalsIgnoringCase(hosts.rawBytes.extracting(start..<end)) { return true }
      start = end
    }
    return false
  }

  /// Loopback pages, whatever their port, and what is configured.
  private func isAllowed(origin: RawSpan) -> Bool {
    for allowed in origins where origin.equalsIgnoringCase(allowed.rawBytes) { return true }
    var rest = origin
    if rest.hasPrefix("http://") {
      rest = rest.extracting(7..<rest.byteCount)
    } else if rest.hasPrefix("https://") {
      rest = rest.extracting(8..<rest.byteCount)
    } else {
      return false
    }
    let name = Self.name(of: rest)
    guard name.equalsIgnoringCase("localhost") || name.equals("127.0.0.1") || name.equals("[::1]") else { return false }
    return name.byteCount == rest.byteCount || Self.isPort(rest.extracting(name.byteCount..<rest.byteCount))
  }

  /// The host without what follows it, which need not be a port.
  @_lifetime(copy authority)
  private static func name(of authority: RawSpan) -> RawSpan {
    if authority.byteCount > 0, authority[byte: 0] == UInt8(ascii: "[") {
      guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { return authority }
      return authority.extracting(0..<(end + 1))
    }
    guard let colon = authority.firstIndex(of: UInt8(ascii: ":")) else { return authority }
    return authority.extracting(0..<colon)
  }

  /// A colon and a number of 16 bits, as browsers write it: nothing else may come after the host of an origin.
  private static func isPort(_ text: RawSpan) -> Bool {
    guard (2...6).contains(text.byteCount), text[byte: 0] == UInt8(ascii: ":") else { return false }
    var port = 0
    for index in 1..<text.byteCount {
      guard let digit = digit(text[byte: index]) else { return false }
      port = port * 10 + digit
    }
    return (1...65_535).contains(port)
  }

  /// A `Host` that is an address: the parser takes nothing between brackets but IPv6, and no name ends in a number.
  private static func isAddress(_ host: RawSpan) -> Bool {
    guard host.byteCount > 0 else { return false }
    if host[byte: 0] == UInt8(ascii: "[") { return true }
    var dots = 0
    for index in 0..<host.byteCount {
      if host[byte: index] == UInt8(ascii: ".") {
        dots += 1
      } else if digit(host[byte: index]) == nil {
        return false
      }
    }
    return dots == 3
  }

  private static func digit(_ byte: UInt8) -> Int? {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte) - 48 : nil
  }
}

extension OriginPolicy {
  static func ofHTTP(_ settings: Settings) -> OriginPolicy {
    let listeners = settings.configuration.listeners
    return OriginPolicy(host: listeners.http.host, like: listeners.http)
  }

  static func ofWebSocket(_ settings: Settings) -> OriginPolicy {
    let listeners = settings.configuration.listeners
    return OriginPolicy(host: listeners.webSocket.host, like: listeners.http)
  }

  static func ofAdmin(_ settings: Settings) -> OriginPolicy {
    let listeners = settings.configuration.listeners
    return OriginPolicy(host: listeners.admin.host, like: listeners.http, anyAddress: true)
  }
}
