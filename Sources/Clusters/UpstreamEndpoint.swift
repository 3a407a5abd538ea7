import Configuration
import ConfigurationSyntax
import Reactor
import Synchronization
import Upstream
import Wire
import Workers

/// One place where a server is reached: a URL, or one of the processes of a command. Calls in flight, connections, permits
/// and failures are counted for each by itself. The faces of a server have the same ones, but for several processes.
public final class UpstreamEndpoint: Sendable {
  /// Endpoints that one server may have.
  public static let most = 1 << 10

  /// Among those of its server.
  public let index: Int
  /// Of this endpoint alone, for as long as the process runs.
  public let id: Int
  public var key: PlainKey { PlainKey(id) }
  /// For people: its URL without what may be a secret, or its number among the processes of a command.
  public let shown: String
  /// What it is called in every process: where on the ring it lies comes of this.
  public let identity: [UInt8]
  /// Share of the calls relative to the others.
  public let weight: Int
  public let standing: EndpointStanding
  /// Where connections go; nil for processes.
  public let address: Endpoint?
  /// How many connections there may be to it, and how they are used.
  public let pool: PoolBounds
  public let permits: Permits
  private let url: EndpointURL?
  private let headers: [GatewayConfiguration.Header]
  private let configuredHead: [UInt8]
  private let left = Atomic<Bool>(false)

  /// Where redirects have led.
  private struct Place {
    var target: String
    var requestHead: [UInt8]
    var isPermanent: Bool
  }
  private let place = Mutex<Place?>(nil)
  private let hasMoved = Atomic<Bool>(false)

  /// One of the processes of a command, or the demonstration server.
  init(_ index: Int, of server: Int, alias: String, _ routing: GatewayConfiguration.Routing) {
    self.index = index
    standing = EndpointStanding(BreakerPolicy(routing))
    id = Self.id(index, of: server)
    shown = "\(alias)#\(index + 1)"
    identity = Array(shown.utf8)
    weight = 1
    address = nil
    pool = PoolBounds()
    permits = Permits(pool)
    url = nil
    headers = []
    configuredHead = []
  }

  /// - Parameter server: what tells the servers of the process apart.
  init(
    _ index: Int, of server: Int, _ configured: GatewayConfiguration.Endpoint, _ remote: GatewayConfiguration.Remote,
    _ routing: GatewayConfiguration.Routing, _ pool: GatewayConfiguration.Pool, connectTimeout: UInt32
  ) throws(TLSContext.Failure) {
    let url = configured.url
    self.index = index
    standing = EndpointStanding(BreakerPolicy(routing))
    id = Self.id(index, of: server)
    shown = configured.shown
    identity = Array("\(url.scheme.rawValue)://\(url.host):\(url.port)\(url.target)".utf8)
    weight = configured.weight
    let tls: TLSContext? = if url.scheme.isEncrypted { try remote.tls.context() } else { nil }
    address = Endpoint(host: url.host, port: UInt16(url.port), tls: tls, connectTimeout: connectTimeout)
    self.pool = PoolBounds(pool)
    permits = Permits(self.pool)
    self.url = url
    headers = remote.headers
    configuredHead = Self.head("POST", url, target: url.target, remote.headers, accept: Self.bothTypes)
  }

  /// One of the addresses of what is configured as `other`: the same URL, with all else of its own.
  init(
    _ index: Int, of server: Int, _ other: UpstreamEndpoint, at numeric: String,
    _ routing: GatewayConfiguration.Routing
  ) {
    self.index = index
    id = Self.id(index, of: server)
    standing = EndpointStanding(BreakerPolicy(routing))
    shown = "\(other.shown) (\(numeric))"
    identity = other.identity + Array("@\(numeric)".utf8)
    weight = other.weight
    address = other.address.map {
      Endpoint(
        host: $0.host, address: numeric, port: $0.port, tls: $0.tls, connectTimeout: $0.connectTimeout)
    }
    pool = other.pool
    permits = Permits(pool)
    url = other.url
    headers = other.headers
    configuredHead = other.configuredHead
  }

  /// Its name leads there no more: what is under way ends, and nothing new goes there.
  public var hasLeft: Bool { left.load(ordering: .relaxed) }
  public func leave() { left.store(true, ordering: .relaxed) }

  private static func id(_ index: Int, of server: Int) -> Int { server * most + index }

  /// The path and query of its URL.
  public var target: String { url?.target ?? "" }

  /// Whether the configuration has headers for it, where credentials go.
  public var hasHeaders: Bool { !headers.isEmpty }

  // MARK: Redirects

  /// What is asked now: its URL, or where that has redirected to.
  public var currentURL: EndpointURL? {
    guard var current = url else { return nil }
    if let target = place.withLock({ $0?.target }) { current.target = target }
    return current
  }

  /// A redirect leads to another target of the same origin. Remembered until the next look at the server, a permanent one
  /// for as long as the server answers there.
  public func move(to target: String, isPermanent: Bool) {
    let moved = Place(target: target, requestHead: head("POST", target: target), isPermanent: isPermanent)
    place.withLock { $0 = moved }
    hasMoved.store(true, ordering: .relaxed)
  }

  /// The server is looked at afresh.
  /// - Parameter isLost: it did not answer there.
  public func forgetMove(isLost: Bool) {
    place.withLock { place in
      guard let known = place, isLost || !known.isPermanent else { return }
      place = nil
      hasMoved.store(false, ordering: .relaxed)
    }
  }

  // MARK: Request heads

  public static let bothTypes = "application/json, text/event-stream"

  /// Request line and the fields that never change, for POSTs; empty for processes.
  public var requestHead: [UInt8] {
    guard hasMoved.load(ordering: .relaxed) else { return configuredHead }
    return place.withLock { $0?.requestHead } ?? configuredHead
  }

  public func appendRequestHead(to buffer: inout ByteBuffer) {
    if hasMoved.load(ordering: .relaxed) { buffer.append(requestHead) } else { buffer.append(configuredHead) }
  }

  /// The head of a request without its length, its session and its end.
  public func head(_ method: String, target other: String? = nil, accept: String = bothTypes) -> [UInt8] {
    guard let url else { return [] }
    return Self.head(method, url, target: other ?? currentURL?.target ?? url.target, headers, accept: accept)
  }

  /// The configured header lines, for the opening of a WebSocket, and whom they go to.
  public var openingLines: (authority: [UInt8], headers: [UInt8])? {
    guard let url else { return nil }
    let lines = headers.map { "\($0.name): \($0.value)\r\n" }.joined()
    return (Array(url.authority.utf8), Array(lines.utf8))
  }

  private static func head(
    _ method: String, _ url: EndpointURL, target: String, _ headers: [GatewayConfiguration.Header], accept: String
  ) -> [UInt8] {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: \(url.authority)\r\nAccept: \(accept)\r\n"
    if method == "POST" { text += "Content-Type: application/json\r\n" }
    for header in headers { text += "\(header.name): \(header.value)\r\n" }
    return Array(text.utf8)
  }

  // MARK: HTTP+SSE

  /// The path and query of an HTTP+SSE endpoint; nil if it lies on another origin, where messages must not go, or could not
  /// stand in a request line.
  /// - Parameter place: the path and query of what named it.
  public func resolve(endpoint: String, at place: String? = nil) -> String? {
    resolvePath(endpoint: endpoint, at: place).map(DotSegments.removed)
  }

  private func resolvePath(endpoint: String, at place: String?) -> String? {
    // A blank would end the target, and what follows it would be read as something else.
    guard let url, endpoint.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    if endpoint.hasPrefix("/"), !endpoint.hasPrefix("//") { return endpoint }
    for origin in ["\(url.scheme.rawValue)://\(url.authority)", "\(url.scheme.rawValue)://\(url.host):\(url.port)"]
    where endpoint.hasPrefix(origin + "/") {
      return String(endpoint.dropFirst(origin.count))
    }
    guard !DotSegments.hasScheme(endpoint), !endpoint.hasPrefix("//") else { return nil }
    let directory = (place ?? currentURL?.target ?? url.target).prefix { $0 != "?" }
    guard let slash = directory.lastIndex(of: "/") else { return "/" + endpoint }
    return String(directory[...slash]) + endpoint
  }
}
