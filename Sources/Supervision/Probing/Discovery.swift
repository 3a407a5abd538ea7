import Clusters
import Configuration
import Links
import MCP
import Reactor
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// `server/discover`: whether an upstream speaks the modern era.
public final class Discovery: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let questions: UpstreamQuestions

  public init(_ loop: ControlLoop, _ questions: UpstreamQuestions) {
    self.loop = loop
    self.questions = questions
  }

  /// How long an upstream may take to answer it, in milliseconds.
  func timeout(of cluster: Cluster) -> UInt64 {
    cluster.probeTimeout(within: loop.configuration.limits.probeTimeout.milliseconds)
  }

  /// As what it is asked.
  static func draft(of cluster: Cluster, _ transport: Cluster.Transport) -> Cluster.Profile {
    Cluster.Profile(
      transport: transport, revision: .newest, offer: ServerOffer(alias: cluster.alias, capabilities: []))
  }

  /// At the newest revision; nil if the upstream is of the legacy era.
  func discover(_ cluster: Cluster) async throws(UpstreamFailure) -> Cluster.Profile? {
    let draft = Self.draft(of: cluster, .streamableHTTP)
    switch await questions.outcome(cluster, draft, nil, .serverDiscover, [], timeout(of: cluster)) {
    case .failed(let why):
      throw UpstreamFailure(why)
    case .status(let refusal, _):
      if [401, 403, 429].contains(refusal.status) || refusal.status >= 500 { throw UpstreamFailure(refusal.text) }
      return nil
    case .message(let bytes, let status, _):
      if status == 429 || status >= 500 { throw UpstreamFailure("it answered HTTP \(status)") }
      return Self.profile(bytes, cluster, .streamableHTTP)
    }
  }

  /// Asks a process that is thrown away: many stay in the era of the first message that they get. nil if the server is of the
  /// legacy era. Throws if it can't be started or reached at all.
  func discoverAside(
    _ cluster: Cluster, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile? {
    let upstream = loop.upstream
    let endpoint = cluster.leader
    let binding = UpstreamSession(cluster: cluster, endpoint: endpoint, owner: nil, abilities: [])
    _ = binding.access(RequestID.none)
    guard let link = upstream.links.start(binding, cluster.endpoint(endpoint)) else {
      throw UpstreamFailure("the gateway has too many connections open")
    }
    link.isProbe = true
    _ = binding.opened(
      UpstreamSession.Open(revision: .newest, httpSession: [], link: link.reference, endpoint: endpoint))
    let draft = Self.draft(of: cluster, transport)
    let outcome = await questions.outcome(cluster, draft, binding, .serverDiscover, [], timeout(of: cluster))
    let startFailure = link.startFailure
    link.close()
    if let startFailure { throw UpstreamFailure(startFailure) }
    guard case .message(let bytes, _, _) = outcome else { return nil }
    return Self.profile(bytes, cluster, transport)
  }

  /// Whether a server that is known to be of the legacy era speaks the modern one by now. Its calls go on meanwhile.
  public func isUpgraded(_ cluster: Cluster) async -> Bool {
    guard cluster.server?.era == .automatic else { return false }
    let found: Cluster.Profile?
    switch cluster.profile?.transport {
    case .stdio: found = try? await discoverAside(cluster, .stdio)
    case .webSocket: found = try? await discoverAside(cluster, .webSocket)
    case .streamableHTTP: found = try? await discover(cluster)
    default: return false
    }
    return found != nil
  }

  /// The profile that a DiscoverResult describes; nil for an error or a list without a revision known here.
  static func profile(_ answer: [UInt8], _ cluster: Cluster, _ transport: Cluster.Transport) -> Cluster.Profile? {
    let scanner = EnvelopeScanner()
    let envelopes = scanner
    let envelope = envelopes.scan(answer.rawBytes)
    guard envelope.kind == .result, let versions = envelope.value(ResultKey.supportedVersions) else { return nil }
    var items = JSON.items(of: versions)
    while let item = items.next() {
      guard Revision(token: items.value(of: item)) == .newest else { continue }
      return Cluster.Profile(
        transport: transport, revision: .newest,
        offer: ServerOffer(alias: cluster.alias, answer: envelope, revision: .newest))
    }
    return nil
  }
}
