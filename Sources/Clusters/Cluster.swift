import Configuration
import ConfigurationSyntax
import MCP
import Reactor
import Routing
import Synchronization
import Upstream
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
    /// Its process was ended since nobody used it: the next call starts it. It is as good as ready.
    case stopped(Profile)
    /// It went away a moment ago and is being brought back: calls wait for that.
    case comingBack(reason: String, Profile?)
    /// The last probe failed; the profile is that of the last good one.
    case down(reason: String, retryAt: UInt64, Profile?)
    /// Its process has died too often: nothing is tried before a reload. The profile is that of the last good look.
    case failed(reason: String, Profile?)

    var profile: Profile? {
      switch self {
      case .unknown: nil
      case .ready(let profile), .stopped(let profile): profile
      case .comingBack(_, let profile): profile
      case .down(_, _, let profile), .failed(_, let profile): profile
      }
    }

    /// The same of one that was as this profile says before it changed; nil unless it has never answered, and can't.
    public func inheriting(_ former: Profile?) -> Health? {
      switch self {
      case .down(let reason, let retryAt, nil): .down(reason: reason, retryAt: retryAt, former)
      case .failed(let reason, nil): .failed(reason: reason, former)
      case .unknown, .ready, .stopped, .comingBack, .down, .failed: nil
      }
    }

    /// What it is, where it may be called.
    public var usable: Profile? {
      switch self {
      case .ready(let profile), .stopped(let profile): profile
      case .unknown, .comingBack, .down, .failed: nil
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
  /// What workers have of it and of one of its endpoints is known by this.
  public func key(at endpoint: Int) -> PlainKey { PlainKey(id * UpstreamEndpoint.most + endpoint) }
  /// The first cluster of the server: faces of it have the same endpoints.
  public let stakeID: Int
  public let alias: String
  let aliasBytes: [UInt8]
  public let server: GatewayConfiguration.Server?
  /// Where it is from the beginning, and for ever unless that changes.
  private let fixed: EndpointSet
  /// Where it is where that changes while it runs.
  public let changing: ChangingEndpoints?
  public var endpointSet: EndpointSet { changing?.current ?? fixed }
  /// By index, those that have left too: at least one.
  public var endpoints: [UpstreamEndpoint] { endpointSet.all }
  /// Those that calls go to: at least one.
  public var members: [UpstreamEndpoint] { endpointSet.members }
  /// The first that there was, and mostly the only one.
  public let first: UpstreamEndpoint
  /// Another configuration of the server may have had more.
  public func endpoint(_ index: Int) -> UpstreamEndpoint {
    let endpoints = endpoints
    return index < endpoints.count ? endpoints[index] : first
  }
  /// A call has a choice, or may come to have one.
  public let hasSeveralEndpoints: Bool
  /// Whether its calls can go to another endpoint at the moment.
  public var hasAlternatives: Bool { hasSeveralEndpoints && members.count > 1 }
  /// Which of them the gateway speaks to on its own behalf.
  private let leaderIndex = Atomic<Int>(0)
  public var leader: Int {
    get { leaderIndex.load(ordering: .relaxed) }
    set { leaderIndex.store(newValue, ordering: .relaxed) }
  }
  private let connectTimeout: UInt32
  /// How long calls wait for it when it goes away, in milliseconds.
  /// How long an endpoint may take to say what it speaks, in milliseconds. While it is not known of any, one that hangs does not
  /// keep the gateway from asking the next: every other time each is given all of its time.
  public func probeTimeout(within limit: UInt64) -> UInt64 {
    guard isHurried, case .url = server?.kind else { return limit }
    return min(limit, 2000)
  }

  public var isHurried: Bool {
    get { hurry.load(ordering: .relaxed) }
    set { hurry.store(newValue, ordering: .relaxed) }
  }

  public var restartGrace: UInt64 { routing.restartGrace.milliseconds }
  public var retryPolicy: RetryPolicy { RetryPolicy(routing) }
  public var routing: GatewayConfiguration.Routing { server?.routing ?? GatewayConfiguration.Routing() }
  /// By what calls are kept together at one endpoint.
  public let keySource: GatewayConfiguration.Routing.Key
  /// What its tools say of being called twice is believed.
  public let trustsHints: Bool
  /// A tool's result that says `isError` counts against the endpoint that gave it.
  public let countsToolErrors: Bool
  /// A tool whose calls fail is given a rest of its own.
  public let hasToolBreakers: Bool
  /// A read that takes long at one endpoint goes to a second one too.
  public let hedgesReads: Bool
  /// How long a call may wait to get through to it, in milliseconds.
  public let checkoutTimeout: UInt64
  /// The versions of its certificate files that are in use.
  private let stamps: [[Int]]
  private let state = Mutex<Health>(.unknown)
  /// How it is spoken to while it is ready or stopped, else 0.
  private let speechWord = Atomic<UInt32>(0)
  /// Of both faces of a server.
  public let droppedLog: DroppedLog
  public let deaths = ChildDeaths()
  private let hurry = Atomic(false)
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
    let made = try Self.endpoints(of: server, id: name.id, connectTimeout: connectTimeout)
    fixed = EndpointSet(made, of: made, server.routing)
    changing = server.followsNames ? ChangingEndpoints(fixed, server.routing) : nil
    first = made[0]
    hasSeveralEndpoints = made.count > 1 || changing != nil
    checkoutTimeout = server.pool.checkoutTimeout.milliseconds
    countsToolErrors = server.routing.breaker.toolErrors
    hasToolBreakers = server.routing.breaker.perTool
    hedgesReads = hasSeveralEndpoints && server.routing.retry.hedgeReads
    trustsHints = server.trustHints
    keySource = server.routing.key
  }

  /// The endpoint where somebody's calls belong who has a conversation of their own, or settles something: the same for
  /// whoever asks, as long as the endpoints fare alike.
  public func home(of key: @autoclosure () -> RoutingKey, now: UInt64) -> Int {
    hasSeveralEndpoints ? endpointSet.home(of: key(), now: now) : 0
  }

  /// Its endpoints in the order in which they may be of use, the one that leads first of its like.
  public func candidates(now: UInt64) -> [Int] {
    let leader = leader
    return members.map { (standing: $0.standing.condition(now: now).standing.rawValue, index: $0.index) }
      .sorted {
        ($0.standing, $0.index == leader ? 0 : 1, $0.index) < ($1.standing, $1.index == leader ? 0 : 1, $1.index)
      }
      .map(\.index)
  }

  private static func processes(of server: GatewayConfiguration.Server, id: Int) -> [UpstreamEndpoint] {
    (0..<server.replicas).map { UpstreamEndpoint($0, of: id, alias: server.alias, server.routing) }
  }

  private static func endpoints(
    of server: GatewayConfiguration.Server, id: Int, connectTimeout: UInt32
  ) throws(TLSContext.Failure) -> [UpstreamEndpoint] {
    var made: [UpstreamEndpoint] = []
    switch server.kind {
    case .command: made = processes(of: server, id: id)
    case .url(let remote):
      for (index, configured) in remote.endpoints.enumerated() {
        made.append(
          try UpstreamEndpoint(
            index, of: id, configured, remote, server.routing, server.pool, connectTimeout: connectTimeout))
      }
    }
    return made
  }

  /// Another endpoint of it: one of the addresses of a name.
  /// - Parameter origin: which of the configured endpoints the name is of.
  public func makeEndpoint(_ index: Int, at address: String, of origin: Int) -> UpstreamEndpoint? {
    guard let server, case .url(let remote) = server.kind, remote.endpoints.indices.contains(origin) else { return nil }
    return UpstreamEndpoint(index, of: stakeID, fixed.all[origin], at: address, server.routing)
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
    // What a face speaks to are processes of its own, which live and die by themselves.
    if other.isProcesses, let server = other.server {
      let own = Self.processes(of: server, id: id)
      fixed = EndpointSet(own, of: own, server.routing)
    } else {
      fixed = other.fixed
    }
    (first, changing) = (fixed.all[0], other.changing)
    (hasSeveralEndpoints, checkoutTimeout) = (other.hasSeveralEndpoints, other.checkoutTimeout)
    (countsToolErrors, hasToolBreakers) = (other.countsToolErrors, other.hasToolBreakers)
    hedgesReads = other.hedgesReads
    (trustsHints, keySource) = (other.trustsHints, other.keySource)
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
    first = UpstreamEndpoint(0, of: name.id, alias: alias, GatewayConfiguration.Routing())
    fixed = EndpointSet([first], of: [first], GatewayConfiguration.Routing())
    changing = nil
    hasSeveralEndpoints = false
    checkoutTimeout = 0
    (countsToolErrors, hasToolBreakers, hedgesReads) = (false, false, false)
    (trustsHints, keySource) = (false, .session)
  }

  public var isEmbedded: Bool { server == nil }
  /// Each of its endpoints is one process, which all clients share.
  public var isProcesses: Bool {
    guard hasSeveralEndpoints, isolation == .shared, case .command = server?.kind else { return false }
    return true
  }
  /// Other processes may speak to the same server.
  public var isAtURL: Bool { first.address != nil }
  /// Calls to it are POSTed, over connections some of which are held ready.
  public var opensAhead: Bool {
    guard !isRetired, let speech, members.contains(where: { $0.pool.minIdle > 0 }) else { return false }
    return speech.transport == .streamableHTTP || speech.transport == .eventStream
  }

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

  /// Whether the next call starts it.
  public var isStopped: Bool { if case .stopped = health { true } else { false } }

  /// It went away a moment ago, and is awaited.
  public var isComingBack: Bool { if case .comingBack = health { true } else { false } }

  /// How it is spoken to; nil while it is not ready.
  public var speech: Speech? { Speech(word: speechWord.load(ordering: .acquiring)) }

  /// A probe has ended, well or not.
  public var hasAnswered: Bool {
    if case .unknown = health { false } else { true }
  }

  public func update(_ health: Health) {
    state.withLock { state in
      state = health
      speechWord.store(health.usable?.speech.word ?? 0, ordering: .releasing)
    }
  }

  /// What carried everybody's messages is gone, and is expected to be back soon.
  public func fell(_ reason: String) {
    state.withLock { state in
      if case .failed = state { return }
      state = .comingBack(reason: reason, state.profile)
      speechWord.store(0, ordering: .releasing)
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

  /// The server is looked at afresh.
  public func forgetMoves() {
    let isLost = if case .down = health { true } else { false }
    for endpoint in endpoints { endpoint.forgetMove(isLost: isLost) }
  }
}

/// What the log does not have of a server's children.
public final class DroppedLog: Sendable {
  /// Lines that came faster than `limits.stderr_rate`.
  public let lines = Atomic<UInt64>(0)
  /// Bytes of those, and of what was cut off lines beyond `limits.stderr_line`.
  public let bytes = Atomic<UInt64>(0)
}
