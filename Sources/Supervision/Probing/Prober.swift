import Clusters
import Configuration
import MCP
import Reactor

/// Finds out what an upstream speaks: as MCP 2026-07-28 (Basic, Versioning) has a client do that speaks both eras, and by
/// HTTP+SSE where an older server refuses the POST of `initialize` (MCP 2025-11-25, Basic/Transports, Backwards
/// Compatibility).
public final class Prober: @unchecked Sendable {  // touched on the control loop alone
  private let handshake: OwnHandshake
  private let discovery: Discovery
  private let links: LinkProber

  public init(_ handshake: OwnHandshake, _ discovery: Discovery, _ links: LinkProber) {
    self.handshake = handshake
    self.discovery = discovery
    self.links = links
  }

  /// Opens the gateway's own conversation and says what the upstream turned out to be.
  public func probe(_ supervised: SupervisedCluster) async throws(UpstreamFailure) -> Cluster.Profile {
    let cluster = supervised.cluster
    guard let server = cluster.server else {
      return Cluster.Profile(transport: .embedded, revision: .newest, offer: EmbeddedServer.offer(alias: cluster.alias))
    }
    if cluster.isSecondFace { return try await probeSecondFace(supervised, server) }
    switch server.kind {
    case .command: return try await links.probe(supervised, server, .stdio)
    case .url(let remote): return try await probeURL(supervised, server, remote)
    }
  }

  /// What it is in the legacy era: its first face has told what it is in the modern one.
  private func probeSecondFace(
    _ supervised: SupervisedCluster, _ server: GatewayConfiguration.Server
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    let transport: Cluster.Transport =
      switch server.kind {
      case .url(let remote): remote.transport == .webSocket ? .webSocket : .streamableHTTP
      case .command: .stdio
      }
    supervised.cluster.forgetMoves()
    return try await handshake.introduce(supervised, transport)
  }

  private func probeURL(
    _ supervised: SupervisedCluster, _ server: GatewayConfiguration.Server, _ remote: GatewayConfiguration.Remote
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    supervised.cluster.forgetMoves()
    if remote.transport == .webSocket { return try await links.probe(supervised, server, .webSocket) }
    if remote.transport == .sse { return try await handshake.introduce(supervised, .eventStream) }
    if server.era != .legacy, let profile = try await discovery.discover(supervised.cluster) { return profile }
    guard server.era != .modern else { throw LinkProber.isNotModern }
    switch await handshake.shakeHands(supervised, .streamableHTTP) {
    case .success(let profile): return profile
    case .failure(let error):
      guard error.isWrongTransport, remote.transport == .automatic else { throw error.failure }
      return try await handshake.introduce(supervised, .eventStream)
    }
  }
}
