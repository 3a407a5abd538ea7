import Configuration
import ConfigurationSyntax
import MCP
import Reactor
import Synchronization
import Wire

/// One configured upstream as all workers see it: where it is, how it speaks, and how it fares. A server that a reload
/// changes gets another cluster; calls in flight go on with the one that they began with.
public final class Cluster: Sendable {
  /// How messages travel to it.
  public enum Transport: UInt8, Sendable {
    case streamableHTTP
    /// HTTP+SSE of 2024-11-05: one stream down, POSTs up.
    case eventStream
    case stdio
    /// WebSocket: one message in each frame, otherwise as over stdio.
    case webSocket
    /// The demonstration server inside this process.
    case embedded
  }

  /// What a probe found out. An object, since a copy would count references of all it holds.
  public final class Profile: Sendable {
    public let transport: Transport
    public let revision: Revision
    public let offer: ServerOffer

    public init(transport: Transport, revision: Revision, offer: ServerOffer) {
      self.transport = transport
      self.revision = revision
      self.offer = offer
    }

    public var speech: Speech { Speech(transport: transport, revision: revision) }
  }

  /// How it is spoken to: what every call has to know of a server that is ready, in one word, so that it looks at nothing
  /// that is locked or counted.
  public struct Speech: Sendable {
    public let transport: Transport
    public let revision: Revision

    init(transport: Transport, revision: Revision) {
      self.transport = transport
      self.revision = revision
    }

    /// The revision in which a client's call goes to it: the demonstration server speaks each client's own.
    public func revision(for client: Revision) -> Revision {
      if case .embedded = transport { client } else { revision }
    }

    fileprivate var word: UInt32 { 1 << 16 | UInt32(transport.rawValue) << 8 | UInt32(revision.rawValue) }

    fileprivate init?(word: UInt32) {
      guard word != 0, let transport = Transport(rawValue: UInt8(truncatingIfNeeded: word >> 8)),
        let revision = Revision(rawValue: UInt8(truncatingIfNeeded: word))
      else { return nil }
      self.init(transport: transport, revision: revision)
    }
  }

  public enum Health: Sendable {
    /// No probe has ended yet.
    case unknown
    case ready(Profile)
    /// The last probe failed; the profile is that of the last good one.
    case down(reason: String, retryAt: UInt64, Profile?)

    var profile: Profile? {
      switch self {
      case .unknown: nil
      case .ready(let profile): profile
      case .down(_, _, let profile): profile
      }
    }
  }

  public struct Name: Sendable {
    /// That of the alias: sessions, subscriptions and links know the upstream by it.
    public var number: Int
    /// That of this cluster alone: connections and conversations are known by it.
    public var id: Int

    public init(number: Int, id: Int) {
      self.number = number
      self.id = id
    }
  }

  public let number: Int
  public let id: Int
  public var key: PlainKey { PlainKey(id) }
  /// Calls in flight and connections are counted under it: those of both faces of a server are one server's.
  public let stakeID: Int
  public var stakeKey: PlainKey { PlainKey(stakeID) }
  public let alias: String
  let aliasBytes: [UInt8]
  public let server: GatewayConfiguration.Server?
  /// Request line and the fields that never change, for POSTs to the first endpoint; empty for children.
  public var requestHead: [UInt8] {
    guard hasMoved.load(ordering: .relaxed) else { return configuredHead }
    return place.withLock { $0?.requestHead } ?? configuredHead
  }
  public func appendRequestHead(to buffer: inout ByteBuffer) {
    if hasMoved.load(ordering: .relaxed) { buffer.append(requestHead) } else { buffer.append(configuredHead) }
  }
  private let configuredHead: [UInt8]
  public let endpoint: Endpoint?
  /// The path and query of the first endpoint's URL.
  public let target: String
  private let connectTimeout: UInt32
  /// The versions of its certificate files that are in use.
  private let stamps: [[Int]]
  private let state = Mutex<Health>(.unknown)
  /// How it is spoken to while it is ready, else 0.
  private let speechWord = Atomic<UInt32>(0)
  /// Where redirects have led.
  private struct Place {
    var target: String
    var requestHead: [UInt8]
    var isPermanent: Bool
  }
  private let place = Mutex<Place?>(nil)
  private let hasMoved = Atomic<Bool>(false)
  /// Of both faces of a server.
  public let droppedLog: DroppedLog
  private let retired = Atomic<Bool>(false)
  private let exceeds = Atomic<Bool>(false)
  private let isSecond: Atomic<Bool>
  private let isAwaited = Atomic<Bool>(false)

  /// How far its lists that are served can be relied on.
  public let freshness = Mutex(ListFreshnessState())
  private let streamsWord = Atomic<UInt8>(Streams.unknown.rawValue)

  public init(_ name: Name, server: GatewayConfiguration.Server, connectTimeout: UInt32) throws(TLSContext.Failure) {
    number = name.number
    id = name.id
    stakeID = name.id
    droppedLog = DroppedLog()
    isSecond = Atomic(false)
    self.connectTimeout = connectTimeout
    stamps = Self.stamps(of: server)
    alias = server.alias
    aliasBytes = Array(server.alias.utf8)
    self.server = server
    guard case .url(let remote) = server.kind else {
      endpoint = nil
      target = ""
      configuredHead = []
      return
    }
    let url = remote.endpoints[0].url
    let tls: TLSContext? =
      if url.scheme.isEncrypted {
        try remote.tls.context()
      } else {
        nil
      }
    endpoint = Endpoint(host: url.host, port: UInt16(url.port), tls: tls, connectTimeout: connectTimeout)
    target = url.target
    configuredHead = Self.head("POST", target: url.target, url.authority, remote.headers, accept: Self.bothTypes)
  }

  /// Another face of the same server.
  public init(faceOf other: Cluster, id: Int, isSecond: Bool) {
    number = other.number
    self.id = id
    stakeID = other.stakeID
    droppedLog = other.droppedLog
    self.isSecond = Atomic(isSecond)
    connectTimeout = other.connectTimeout
    stamps = other.stamps
    alias = other.alias
    aliasBytes = other.aliasBytes
    server = other.server
    endpoint = other.endpoint
    target = other.target
    configuredHead = other.configuredHead
  }

  /// The demonstration server.
  public init(embedded alias: String, _ name: Name) {
    number = name.number
    id = name.id
    stakeID = name.id
    droppedLog = DroppedLog()
    isSecond = Atomic(false)
    connectTimeout = 0
    stamps = []
    self.alias = alias
    aliasBytes = Array(alias.utf8)
    server = nil
    endpoint = nil
    target = ""
    configuredHead = []
  }

  public var isEmbedded: Bool { server == nil }
  /// Other processes may speak to the same server.
  public var isAtURL: Bool { endpoint != nil }

  // MARK: Faces

  /// It is what clients of the legacy era see of a server that another cluster stands for.
  public var isSecondFace: Bool { isSecond.load(ordering: .relaxed) }
  public func becomeSecondFace() { isSecond.store(true, ordering: .relaxed) }

  /// It is not known yet what it is for clients of the legacy era: the first of them waits for that.
  public var awaitsSecondFace: Bool {
    get { isAwaited.load(ordering: .relaxed) }
    set { isAwaited.store(newValue, ordering: .relaxed) }
  }

  /// Whether it lists more than it may, and is served as it was before.
  public var hasExcess: Bool { exceeds.load(ordering: .relaxed) }

  /// True if that is news.
  public func noteExcess(_ exceeds: Bool) -> Bool { self.exceeds.exchange(exceeds, ordering: .relaxed) != exceeds }

  /// Whether a part of a path is its alias.
  public func isNamed(_ text: RawSpan) -> Bool {
    let alias = aliasBytes
    return text.equals(alias.rawBytes)
  }

  public var health: Health { state.withLock { $0 } }

  public var profile: Profile? { health.profile }

  public var isReady: Bool { speech != nil }

  /// How it is spoken to; nil while it is not ready.
  public var speech: Speech? { Speech(word: speechWord.load(ordering: .acquiring)) }

  /// A probe has ended, well or not.
  public var hasAnswered: Bool {
    if case .unknown = health { false } else { true }
  }

  public func update(_ health: Health) {
    state.withLock { state in
      state = health
      let word = if case .ready(let profile) = health { profile.speech.word } else { 0 as UInt32 }
      speechWord.store(word, ordering: .releasing)
    }
  }

  /// No new call comes to it, and its connections are not kept.
  public var isRetired: Bool { retired.load(ordering: .relaxed) }
  public func retire() { retired.store(true, ordering: .relaxed) }

  private static func stamps(of server: GatewayConfiguration.Server) -> [[Int]] {
    guard case .url(let remote) = server.kind else { return [] }
    return [remote.tls.ca, remote.tls.certificate, remote.tls.key].map { $0.map(System.stamp) ?? [] }
  }

  /// Whether a configured server is what this one was made for. Where it stands in which file does not matter.
  public func serves(_ other: GatewayConfiguration.Server, connectTimeout: UInt32) -> Bool {
    guard let server, connectTimeout == self.connectTimeout, stamps == Self.stamps(of: other) else { return false }
    var same = other
    same.position = server.position
    same.displayName = server.displayName
    return same == server
  }

  /// Whether who had settled something with `former` has it settled with this one: the same server as it was before it
  /// changed, or before it had a second face. What is of the legacy era does not go over to the first face.
  public func takesOver(from former: Cluster) -> Bool {
    former.number == number && (isSecondFace || !former.isSecondFace)
  }

  // MARK: GET streams

  /// What is known of the GET streams of its sessions.
  public enum Streams: UInt8, Sendable {
    case unknown
    /// It has begun one.
    case given
    /// It does not begin one before it has something to say: that is not waited for.
    case slow
    /// It has none.
    case none
  }

  public var streams: Streams { Streams(rawValue: streamsWord.load(ordering: .relaxed)) ?? .unknown }

  public func note(_ streams: Streams) {
    if streams != self.streams { streamsWord.store(streams.rawValue, ordering: .relaxed) }
  }

  /// It refused a stream with that HTTP status. One that it gave to others is refused for a reason of the moment.
  public func noteRefusal(_ status: Int) {
    switch status {
    case 405, 501: note(.none)
    case 401, 403, 409: break
    default: if streams != .given { note(.none) }
    }
  }

  public var isolation: GatewayConfiguration.Server.Isolation { server?.isolation ?? .shared }

  // MARK: Redirects

  /// What is asked now: the first endpoint's URL, or where it has redirected to.
  public var currentURL: EndpointURL? {
    guard case .url(let remote) = server?.kind else { return nil }
    var url = remote.endpoints[0].url
    if let target = place.withLock({ $0?.target }) { url.target = target }
    return url
  }

  /// A redirect leads to another target of the same origin. Remembered until the next look at the server, a permanent one
  /// for as long as the server answers there.
  public func move(to target: String, isPermanent: Bool) {
    let moved = Place(target: target, requestHead: head("POST", target: target), isPermanent: isPermanent)
    place.withLock { $0 = moved }
    hasMoved.store(true, ordering: .relaxed)
  }

  /// The server is looked at afresh.
  public func forgetMove() {
    let isLost = if case .down = health { true } else { false }
    place.withLock { place in
      guard let known = place, isLost || !known.isPermanent else { return }
      place = nil
      hasMoved.store(false, ordering: .relaxed)
    }
  }

  // MARK: Request heads

  public static let bothTypes = "application/json, text/event-stream"

  /// The head of a request without its length, its session and its end.
  public func head(_ method: String, target other: String? = nil, accept: String = bothTypes) -> [UInt8] {
    guard case .url(let remote) = server?.kind else { return [] }
    let url = remote.endpoints[0].url
    let target = other ?? currentURL?.target ?? url.target
    return Self.head(method, target: target, url.authority, remote.headers, accept: accept)
  }

  /// The configured header lines, for the opening of a WebSocket, and whom they go to.
  public var openingLines: (authority: [UInt8], headers: [UInt8])? {
    guard case .url(let remote) = server?.kind else { return nil }
    let lines = remote.headers.map { "\($0.name): \($0.value)\r\n" }.joined()
    return (Array(remote.endpoints[0].url.authority.utf8), Array(lines.utf8))
  }

  /// The path and query of an HTTP+SSE endpoint; nil if it lies on another origin, where messages must not go, or could not
  /// stand in a request line.
  /// - Parameter place: the path and query of what named it.
  public func resolve(endpoint: String, at place: String? = nil) -> String? {
    resolvePath(endpoint: endpoint, at: place).map(DotSegments.removed)
  }

  private func resolvePath(endpoint: String, at place: String?) -> String? {
    // A blank would end the target, and what follows it would be read as something else.
    guard endpoint.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    guard case .url(let remote) = server?.kind else { return nil }
    let url = remote.endpoints[0].url
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

  private static func head(
    _ method: String, target: String, _ authority: String, _ headers: [GatewayConfiguration.Header], accept: String
  ) -> [UInt8] {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: \(authority)\r\nAccept: \(accept)\r\n"
    if method == "POST" { text += "Content-Type: application/json\r\n" }
    for header in headers { text += "\(header.name): \(header.value)\r\n" }
    return Array(text.utf8)
  }
}

/// What the log does not have of a server's children.
public final class DroppedLog: Sendable {
  /// Lines that came faster than `limits.stderr_rate`.
  public let lines = Atomic<UInt64>(0)
  /// Bytes of those, and of what was cut off lines beyond `limits.stderr_line`.
  public let bytes = Atomic<UInt64>(0)
}
