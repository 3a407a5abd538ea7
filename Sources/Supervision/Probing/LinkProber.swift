import Clusters
import Configuration
import Links
import MCP
import Reactor
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// Finds out what a command or a WebSocket server speaks, on the process or connection that is then used.
public final class LinkProber: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let handshake: OwnHandshake
  private let discovery: Discovery

  static let isNotModern = UpstreamFailure(
    "it does not answer server/discover, but is configured as `era: modern`")

  public init(_ loop: ControlLoop, _ handshake: OwnHandshake, _ discovery: Discovery) {
    self.loop = loop
    self.handshake = handshake
    self.discovery = discovery
  }

  func probe(
    _ supervised: SupervisedCluster, _ server: GatewayConfiguration.Server, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    let known = supervised.cluster.profile?.revision.era
    if server.era == .automatic, known == .legacy, !supervised.isUpgraded {
      // It may be another version that was started this time, but its calls need not wait for that to be found out.
      supervised.isUpgraded = true
      let profile = try await handshake.introduce(supervised, transport)
      supervised.isUpgraded = false
      supervised.mayBeUpgraded = true
      return profile
    }
    if server.era == .legacy { return try await handshake.introduce(supervised, transport) }
    if case .ready = supervised.cluster.health { return try await probeBesideCalls(supervised, server, transport) }
    supervised.isUpgraded = false
    var state = LinkProbeState(era: server.era)
    while true {
      switch try await findOut(&state, supervised, transport) {
      case .found(let profile): return profile
      case .failed(let why): throw UpstreamFailure(why)
      case .again:
        guard !loop.isStopped, !supervised.isDismissed else { throw UpstreamFailure("the gateway ends") }
      }
    }
  }

  /// What serves is looked at on a process of its own, since its calls go on.
  private func probeBesideCalls(
    _ supervised: SupervisedCluster, _ server: GatewayConfiguration.Server, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Cluster.Profile {
    guard let modern = try await discovery.discoverAside(supervised.cluster, transport) else {
      if server.era == .modern { throw Self.isNotModern }
      supervised.isUpgraded = false
      return try await handshake.introduce(supervised, transport)
    }
    if supervised.binding?.endpoint != supervised.cluster.leader {
      // Another leads. What clients share they go on with.
      if supervised.cluster.isolation == .shared {
        supervised.binding?.isFollowed = false
      } else if let former = supervised.binding {
        loop.upstream.end(former)
      }
      supervised.binding = handshake.binding(of: supervised.cluster)
    }
    if supervised.cluster.profile?.revision.era == .legacy, let open = supervised.binding?.takeOpen() {
      loop.upstream.end(open, supervised.cluster)
    }
    return modern
  }

  // MARK: One process

  private enum Finding {
    case found(Cluster.Profile)
    case failed(String)
    case again
  }

  /// Starts a process, and finds out what it speaks, or that it has to be another one.
  private func findOut(
    _ state: inout LinkProbeState, _ supervised: SupervisedCluster, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> Finding {
    let (cluster, upstream) = (supervised.cluster, loop.upstream)
    let (binding, open) = try await startProcess(supervised, transport)
    guard let link = open.link else { throw UpstreamFailure("it can't be started") }
    let answers = ProbeAnswers()
    let discovery =
      state.beginsWithInitialize ? nil : discover(binding, link, transport, answers)
    if state.beginsWithInitialize { initialize(binding, link, answers) }
    defer {
      answers.isOver = true
      if let discovery { upstream.requests.giveUp(discovery) }
    }
    while true {
      let event = await answers.next()
      switch state.next(event) {
      case .wait:
        continue
      case .initialize:
        initialize(binding, link, answers)
      case .modern:
        guard let profile = answers.modern else { continue }
        upstream.links.started(link)
        return .found(profile)
      case .legacy:
        guard let established = answers.legacy else { continue }
        binding.settled(established.open)
        upstream.links.started(link)
        return .found(OwnHandshake.profile(established, of: cluster, transport))
      case .modernAnew:
        if let open = binding.takeOpen() { upstream.end(open, cluster) }
        guard let profile = answers.modern else { continue }
        return .found(profile)
      case .again:
        loop.logger.debug(
          "\(cluster.alias): \(answers.why); it is started again for initialize",
          metadata: ["server": "\(cluster.alias)"])
        if let open = binding.takeOpen() { upstream.end(open, cluster) }
        return .again
      case .fail:
        if let open = binding.takeOpen() { upstream.end(open, cluster) }
        return .failed(answers.why)
      }
    }
  }

  private func startProcess(
    _ supervised: SupervisedCluster, _ transport: Cluster.Transport
  ) async throws(UpstreamFailure) -> (UpstreamSession, UpstreamSession.Open) {
    let cluster = supervised.cluster
    let upstream = loop.upstream
    let binding = handshake.freshBinding(of: supervised)
    guard case .yours = binding.access(RequestID.none) else {
      throw UpstreamFailure("its conversation is being opened")
    }
    let result = await withCheckedContinuation { continuation in
      upstream.conversations.establish(binding, at: cluster.leader, transport, .modern, isStarting: true) {
        continuation.resume(returning: $0)
      }
    }
    switch result {
    case .success(let established):
      guard binding.opened(established.open) != nil else {
        upstream.end(established.open, cluster)
        throw UpstreamFailure("its configuration has changed")
      }
      return (binding, established.open)
    case .failure(let error):
      _ = binding.failed()
      throw UpstreamFailure(error.text)
    }
  }

  private func discover(
    _ binding: UpstreamSession, _ link: LinkReference, _ transport: Cluster.Transport, _ answers: ProbeAnswers
  ) -> RequestID? {
    let cluster = binding.cluster
    let loop = loop
    let draft = Discovery.draft(of: cluster, transport)
    let timeout =
      transport == .stdio ? loop.configuration.startTimeout.milliseconds : 2 * discovery.timeout(of: cluster)
    let latest = loop.now + timeout
    let call = LocalCall { outcome in
      switch outcome {
      case .message(let bytes, _, _):
        answers.modern = Discovery.profile(bytes, cluster, transport)
        answers.why = "it does not answer server/discover with a revision that is known here"
        answers.add(answers.modern == nil ? .notDiscovered : .discovered)
      case .status(let refusal, _):
        answers.why = refusal.text
        answers.add(.died)
      case .failed(let why):
        answers.why = why
        answers.add(loop.now >= latest ? .timedOut : .died)
      }
    }
    let id = loop.upstream.messages.ask(
      cluster, draft, binding, .serverDiscover, members: [], timeout: timeout, call)
    loop.begin { await self.watch(link, transport, answers, patience: self.discovery.timeout(of: cluster)) }
    return id
  }

  /// Says so when the process has read what it was sent, and has not said a word to it for a while. What has not read it
  /// still starts.
  private func watch(
    _ link: LinkReference, _ transport: Cluster.Transport, _ answers: ProbeAnswers, patience: UInt64
  ) async {
    var readSince: UInt64?
    while !answers.isOver {
      if transport == .stdio, await isUnread(link) {
        readSince = nil
      } else {
        let since = readSince ?? loop.now
        readSince = since
        if loop.now >= since + patience { return answers.add(.silent) }
      }
      await loop.pause(min(100, max(1, patience / 4)))
    }
  }

  private func isUnread(_ link: LinkReference) async -> Bool {
    await withCheckedContinuation { continuation in
      loop.upstream.links.isUnread(link) { continuation.resume(returning: $0) }
    }
  }

  private func initialize(_ binding: UpstreamSession, _ link: LinkReference, _ answers: ProbeAnswers) {
    let loop = loop
    loop.upstream.conversations.shakeHands(binding, over: link) { result in
      loop.post {
        switch result {
        case .success(let established):
          answers.legacy = established
          answers.add(.initialized)
        case .failure(let error):
          answers.why = error.text
          if case .refused = error { answers.add(.refused) } else { answers.add(.died) }
        }
      }
    }
  }
}

/// What a process that is looked at has said so far. Confined to the control loop.
final class ProbeAnswers: @unchecked Sendable {  // made, read and written on the control loop alone
  var modern: Cluster.Profile?
  var legacy: Opening.Established?
  /// Why it is of no use, for people.
  var why = ""
  /// Nobody asks any more.
  var isOver = false
  private var events: [LinkProbeState.Event] = []
  private var waiter: CheckedContinuation<Void, Never>?

  func add(_ event: LinkProbeState.Event) {
    guard !isOver else { return }
    events.append(event)
    waiter?.resume()
    waiter = nil
  }

  func next() async -> LinkProbeState.Event {
    if events.isEmpty { await withCheckedContinuation { waiter = $0 } }
    return events.removeFirst()
  }
}
