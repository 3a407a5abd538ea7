import Clusters
import Configuration
import Links
import MCP
import Reactor
import UpstreamClient
import Workers

/// How the gateway's own conversations with upstreams are opened.
public final class OwnHandshake: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop

  struct Failure: Error {
    var failure: UpstreamFailure
    /// The endpoint is there, but not Streamable HTTP.
    var isWrongTransport = false
  }

  public init(_ loop: ControlLoop) { self.loop = loop }

  private static let isBeingOpened = "its conversation is being opened"

  /// Opens the gateway's own conversation in the legacy era.
  func introduce(
    _ supervised: SupervisedCluster, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    switch await shakeHands(supervised, transport) {
    case .success(let profile): return profile
    case .failure(let error): throw error.failure
    }
  }

  func shakeHands(
    _ supervised: SupervisedCluster, _ transport: Cluster.Transport
  ) async -> Result<Cluster.Profile, Failure> {
    let (cluster, upstream) = (supervised.cluster, loop.upstream)
    if let known = await join(supervised, transport) { return .success(known) }
    let binding = freshBinding(of: supervised)
    // It may be another server by now.
    cluster.note(.unknown)
    let result = await withCheckedContinuation { continuation in
      switch binding.access(RequestID.none) {
      case .yours, .open, .unheard:
        // A second face may turn out to be none, which is no news.
        upstream.conversations.establish(
          binding, at: cluster.leader, transport, .legacy, isStarting: cluster.isSecondFace
        ) {
          continuation.resume(returning: $0)
        }
      case .waiting, .closed:
        continuation.resume(returning: .failure(.unable(Self.isBeingOpened)))
      }
    }
    switch result {
    case .success(let established):
      if let link = established.open.link { upstream.links.started(link) }
      guard let waiters = binding.opened(established.open) else {
        upstream.end(established.open, cluster)
        return .failure(Failure(failure: UpstreamFailure("its configuration has changed")))
      }
      loop.upstream.shared.resume(waiters, failure: nil)
      return .success(Self.profile(established, of: cluster, transport))
    case .failure(.unable(Self.isBeingOpened)):
      // Whoever opens it says what comes of that.
      return .failure(Failure(failure: UpstreamFailure(Self.isBeingOpened)))
    case .failure(let error):
      loop.upstream.shared.resume(binding.failed(), failure: Unopened(error.text, at: cluster.leader))
      var failure = Failure(failure: UpstreamFailure(error.text, meaning(of: error, for: cluster)))
      if case .status(let refusal, _) = error {
        failure.isWrongTransport = [400, 404, 405].contains(refusal.status)
      }
      return .failure(failure)
    }
  }

  /// A conversation with another endpoint that clients have already: nothing that they do in it is disturbed. What the server
  /// offers is known. nil where there is none.
  private func join(_ supervised: SupervisedCluster, _ transport: Cluster.Transport) async -> Cluster.Profile? {
    let cluster = supervised.cluster
    guard cluster.hasSeveralEndpoints, cluster.isolation == .shared, let profile = cluster.profile,
      profile.transport == transport, profile.revision.era == .legacy
    else { return nil }
    let binding = loop.upstream.shared.sessions.shared(cluster, at: cluster.leader)
    guard binding !== supervised.binding else { return nil }
    while binding.isOpening, !loop.isStopped { await loop.pause(10) }
    guard let open = binding.current else { return nil }
    supervised.binding?.isFollowed = false
    supervised.binding = binding
    binding.isFollowed = true
    return Cluster.Profile(transport: transport, revision: open.revision, offer: profile.offer)
  }

  /// A conversation of the gateway's own in which nothing is open: what was has failed, or somebody opened it since, and it
  /// must not be left behind.
  func freshBinding(of supervised: SupervisedCluster) -> UpstreamSession {
    let cluster = supervised.cluster
    if let open = supervised.binding?.takeOpen() { loop.upstream.end(open, cluster) }
    let binding = binding(of: cluster)
    // Another endpoint leads: to what the former one tells its conversation listens itself.
    if let former = supervised.binding, former !== binding { former.isFollowed = false }
    supervised.binding = binding
    if let open = binding.takeOpen() { loop.upstream.end(open, cluster) }
    return binding
  }

  /// With `isolation: shared` the gateway uses the conversation that everybody uses; else one of its own.
  func binding(of cluster: Cluster) -> UpstreamSession {
    let leader = cluster.leader
    guard cluster.isolation == .shared else {
      return UpstreamSession(cluster: cluster, endpoint: leader, owner: nil, abilities: [], isFollowed: true)
    }
    let binding = loop.upstream.shared.sessions.shared(cluster, at: leader)
    binding.isFollowed = true
    return binding
  }

  static func profile(
    _ established: Opening.Established, of cluster: Cluster, _ transport: Cluster.Transport
  ) -> Cluster.Profile {
    Cluster.Profile(
      transport: transport, revision: established.open.revision,
      offer: established.offer ?? ServerOffer(alias: cluster.alias, capabilities: []))
  }

  /// Whether a server does not speak the legacy era at all, rather than not now.
  func meaning(of error: Opening.Failure, for cluster: Cluster) -> UpstreamFailure.Meaning {
    switch error {
    case .refused: return .refusal
    case .status(let refusal, _):
      let isForGood = (400..<500).contains(refusal.status) && ![408, 425, 429].contains(refusal.status)
      return isForGood ? .refusal : .unavailable
    case .unable: return .unavailable
    case .failed:
      // A process or a WebSocket that ends on the first `initialize`, or says nothing to it for as long as a start may take.
      if case .url(let remote) = cluster.server?.kind, remote.transport != .webSocket { return .unavailable }
      return cluster.profile == nil ? .refusal : .silence
    }
  }

  /// What becomes of `initialize` in another conversation, which is not kept. nil if the server takes it.
  public func trial(of face: Cluster) async -> (meaning: UpstreamFailure.Meaning, text: String)? {
    let upstream = loop.upstream
    let binding = UpstreamSession(cluster: face, endpoint: face.leader, owner: nil, abilities: [], isFollowed: true)
    _ = binding.access(RequestID.none)
    let result = await withCheckedContinuation { continuation in
      upstream.conversations.establish(binding, at: face.leader, .streamableHTTP, .legacy) {
        continuation.resume(returning: $0)
      }
    }
    switch result {
    case .success(let established):
      upstream.end(established.open, face)
      return nil
    case .failure(let error):
      return (meaning(of: error, for: face), error.text)
    }
  }
}
