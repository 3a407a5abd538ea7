import Configuration
import MCP
import Reactor
import Wire

/// Finding out what an upstream speaks (PROTOCOL section 21.5).
extension ControlPlane {
  /// Opens the gateway's own conversation and says what the upstream turned out to be.
  func probe(_ supervisor: Supervisor) async throws(UpstreamFailure) -> Cluster.Profile {
    let cluster = supervisor.cluster
    if cluster.isSecondFace { return try await probeSecondFace(supervisor) }
    guard let server = cluster.server else {
      return Cluster.Profile(transport: .embedded, revision: .newest, offer: EmbeddedServer.offer(alias: cluster.alias))
    }
    switch server.kind {
    case .command: return try await probeLink(supervisor, server, .stdio)
    case .url(let remote): return try await probeURL(supervisor, server, remote)
    }
  }

  // MARK: URLs

  private func probeURL(
    _ supervisor: Supervisor, _ server: GatewayConfiguration.Server, _ remote: GatewayConfiguration.Remote
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    supervisor.cluster.forgetMove()
    if remote.transport == .webSocket { return try await probeLink(supervisor, server, .webSocket) }
    if remote.transport == .sse { return try await introduce(supervisor, .eventStream) }
    if server.era != .legacy, let profile = try await discover(supervisor) { return profile }
    guard server.era != .modern else {
      throw UpstreamFailure("it does not answer server/discover, but is configured as `era: modern`")
    }
    switch await shakeHands(supervisor, .streamableHTTP) {
    case .success(let profile): return profile
    case .failure(let error):
      guard error.isWrongTransport, remote.transport == .automatic else { throw error.failure }
      return try await introduce(supervisor, .eventStream)
    }
  }

  /// `server/discover` at the newest revision; nil if the upstream is of the legacy era.
  private func discover(_ supervisor: Supervisor) async throws(UpstreamFailure) -> Cluster.Profile? {
    let transport = Cluster.Transport.streamableHTTP
    let draft = Cluster.Profile(
      transport: transport, revision: .newest, offer: ServerOffer(alias: supervisor.cluster.alias, capabilities: []))
    switch await outcome(supervisor.cluster, draft, nil, .serverDiscover, [], probeTimeout) {
    case .failed(let why):
      throw UpstreamFailure(why)
    case .status(let refusal, _):
      if [401, 403, 429].contains(refusal.status) || refusal.status >= 500 { throw UpstreamFailure(refusal.text) }
      return nil
    case .message(let bytes, let status, _):
      if status == 429 || status >= 500 { throw UpstreamFailure("it answered HTTP \(status)") }
      return modernProfile(bytes, supervisor.cluster, transport)
    }
  }

  /// The profile that a DiscoverResult describes; nil for an error or a list without a revision known here.
  func modernProfile(
    _ answer: [UInt8], _ cluster: Cluster, _ transport: Cluster.Transport
  ) -> Cluster.Profile? {
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

  var probeTimeout: UInt64 { gateway.configuration.limits.probeTimeout.milliseconds }

  // MARK: Children and WebSockets

  /// Whether an upstream that was of the legacy era speaks the modern one by now. Its calls go on meanwhile.
  func lookForUpgrade(_ supervisor: Supervisor) async {
    guard supervisor.cluster.server?.era == .automatic else { return }
    let found: Cluster.Profile?
    switch supervisor.cluster.profile?.transport {
    case .stdio: found = try? await probeThrowaway(supervisor.cluster, .stdio)
    case .webSocket: found = try? await probeThrowaway(supervisor.cluster, .webSocket)
    case .streamableHTTP: found = try? await discover(supervisor)
    default: return
    }
    if found != nil { upgrade(supervisor.cluster) }
  }

  /// Asks a process that is thrown away: servers lock on their first message (PROTOCOL section 4). nil if the server is of
  /// the legacy era. Throws if it can't be started or reached at all.
  func probeThrowaway(
    _ cluster: Cluster, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile? {
    let binding = UpstreamSession(cluster: cluster, owner: nil, abilities: [])
    _ = binding.access(UpstreamSession.Waiter(.none))
    guard let link = worker.upstream.links.start(binding) else {
      throw UpstreamFailure("the gateway has too many connections open")
    }
    link.isProbe = true
    let open = UpstreamSession.Open(revision: .newest, httpSession: [], link: link.reference)
    _ = binding.opened(open)
    let draft = Cluster.Profile(
      transport: transport, revision: .newest, offer: ServerOffer(alias: cluster.alias, capabilities: []))
    let outcome = await outcome(cluster, draft, binding, .serverDiscover, [], probeTimeout)
    let startFailure = link.startFailure
    link.close()
    if let startFailure { throw UpstreamFailure(startFailure) }
    guard case .message(let bytes, _, _) = outcome else { return nil }
    return modernProfile(bytes, cluster, transport)
  }

  // MARK: The legacy handshake

  private struct HandshakeFailure: Error {
    var failure: UpstreamFailure
    /// The endpoint is there, but not Streamable HTTP.
    var isWrongTransport = false
  }

  private func shakeHands(
    _ supervisor: Supervisor, _ transport: Cluster.Transport
  ) async -> Result<Cluster.Profile, HandshakeFailure> {
    let cluster = supervisor.cluster
    // What was open before has failed, or somebody opened it since: it must not be left behind.
    if let open = supervisor.binding?.takeOpen() { worker.upstream.end(open, cluster) }
    let binding = ownBinding(cluster)
    supervisor.binding = binding
    if let open = binding.takeOpen() { worker.upstream.end(open, cluster) }
    // It may be another server by now.
    cluster.note(.unknown)
    let result = await withCheckedContinuation { continuation in
      switch binding.access(UpstreamSession.Waiter(.none)) {
      case .yours, .open, .unheard:
        // A second face may turn out to be none, which is no news.
        worker.upstream.conversations.establish(binding, transport, .legacy, isStarting: cluster.isSecondFace) {
          continuation.resume(returning: $0)
        }
      case .waiting, .closed:
        continuation.resume(returning: .failure(.unable("its conversation is being opened")))
      }
    }
    switch result {
    case .success(let established):
      if let link = established.open.link { worker.upstream.links.started(link) }
      guard let waiters = binding.opened(established.open) else {
        worker.upstream.end(established.open, cluster)
        return .failure(HandshakeFailure(failure: UpstreamFailure("its configuration has changed")))
      }
      gateway.upstream.resume(waiters, failure: nil)
      return .success(
        Cluster.Profile(
          transport: transport, revision: established.open.revision,
          offer: established.offer ?? ServerOffer(alias: cluster.alias, capabilities: [])))
    case .failure(let error):
      gateway.upstream.resume(binding.failed(), failure: error.text)
      var failure = HandshakeFailure(failure: UpstreamFailure(error.text, meaning(of: error, for: cluster)))
      if case .status(let refusal, _) = error {
        failure.isWrongTransport = [400, 404, 405].contains(refusal.status)
      }
      return .failure(failure)
    }
  }

  /// Whether a server does not speak the legacy era at all, rather than not now.
  func meaning(of error: Conversations.Failure, for cluster: Cluster) -> UpstreamFailure.Meaning {
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

  func introduce(
    _ supervisor: Supervisor, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    switch await shakeHands(supervisor, transport) {
    case .success(let profile): return profile
    case .failure(let error): throw error.failure
    }
  }

  /// With `isolation: shared` the gateway uses the conversation that everybody uses; else one of its own.
  func ownBinding(_ cluster: Cluster) -> UpstreamSession {
    if cluster.isolation == .shared { return gateway.upstream.sessions.shared(cluster) }
    return UpstreamSession(cluster: cluster, owner: nil, abilities: [], isFollowed: true)
  }

  // MARK: Questions

  func ask(
    _ cluster: Cluster, _ binding: UpstreamSession?, _ profile: Cluster.Profile, _ method: Method, _ members: [UInt8],
    _ timeout: UInt64? = nil
  ) async throws(UpstreamFailure) -> [UInt8] {
    let timeout = timeout ?? worker.settings.callTimeout
    let latest = worker.now + timeout
    switch await outcome(cluster, profile, binding, method, members, timeout) {
    case .message(let bytes, _, _): return bytes
    case .status(let refusal, _):
      throw UpstreamFailure(
        "\(method.name.text): \(refusal.text)", refusal.status == 429 || refusal.status >= 500 ? .passing : .unavailable
      )
    case .failed(let why):
      throw UpstreamFailure("\(method.name.text): \(why)", worker.now >= latest ? .passing : .unavailable)
    }
  }

  func outcome(
    _ cluster: Cluster, _ profile: Cluster.Profile, _ binding: UpstreamSession?, _ method: Method,
    _ members: [UInt8], _ timeout: UInt64
  ) async -> LocalCall.Outcome {
    await withCheckedContinuation { continuation in
      let call = LocalCall { continuation.resume(returning: $0) }
      worker.upstream.messages.ask(cluster, profile, binding, method, members: members, timeout: timeout, call)
    }
  }
}
