import MCP
import Reactor
import Wire

/// Where the gateway itself hears what an upstream tells outside of calls: GET of its own legacy session, or
/// `subscriptions/listen` of a modern upstream. Legacy children tell without being asked.
extension ControlPlane {
  /// How long an upstream may take to acknowledge a listen, or to take note of a subscription.
  private static var acknowledgementTime: UInt64 { 2000 }
  /// A stream that ended sooner than this is opened again later and later.
  private static var briefTime: UInt64 { 10_000 }

  /// Opens the stream, and has the upstream tell of what somebody wants to hear.
  func startListening(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    supervisor.subscribed = []
    supervisor.listeningSince = worker.now
    if profile.revision.era == .modern {
      await renewListen(supervisor, profile)
    } else {
      openNotificationStream(supervisor, profile)
      await settleInterests(supervisor, profile)
    }
  }

  func stopListening(_ supervisor: Supervisor) {
    if let connection = supervisor.stream {
      supervisor.stream = nil
      worker.upstreamStreams[connection]?.ended = nil
      worker.upstreamStreams[connection] = nil
      worker.loop.abort(connection)
    }
    endListen(supervisor)
    supervisor.subscribed = []
  }

  /// Has the upstream tell of exactly the resources that somebody wants to hear of now.
  func settleInterests(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    guard profile.offer.capabilities.contains(.resourcesSubscribe) else { return }
    let wanted = gateway.interests.wanted(of: supervisor.cluster.number)
    guard wanted != supervisor.subscribed else { return }
    if profile.revision.era == .modern { return await renewListen(supervisor, profile) }
    for uri in wanted.subtracting(supervisor.subscribed) {
      await subscribe(supervisor, profile, .resourcesSubscribe, uri)
    }
    let others = Set(supervisor.binding?.subscriptions ?? [])
    for uri in supervisor.subscribed.subtracting(wanted).subtracting(others) {
      await subscribe(supervisor, profile, .resourcesUnsubscribe, uri)
    }
    supervisor.subscribed = wanted
  }

  /// What was told while nobody listened is lost: whoever named a resource is told that it may have changed.
  func makeUpForSilence(_ supervisor: Supervisor) {
    for uri in gateway.interests.wanted(of: supervisor.cluster.number) {
      var params = ByteBuffer(capacity: uri.count + 16)
      params.append("{\"uri\":")
      params.append(quoted: uri.rawBytes)
      params.append("}")
      var message = ByteBuffer(capacity: uri.count + 96)
      message.append(notification: .notifyResourcesUpdated, params: params.bytes)
      let scanner = EnvelopeScanner()
      worker.resourceUpdated(supervisor.cluster, scanner.scan(message.bytes), supervisor.binding)
    }
  }

  /// The stream has ended by itself: another one is opened in a while.
  private nonisolated func listenAgain(_ supervisor: Supervisor) {
    let wasBrief = worker.now < supervisor.listeningSince + Self.briefTime
    supervisor.briefListens = wasBrief ? supervisor.briefListens + 1 : 0
    let delay = min(UInt64(500) << min(supervisor.briefListens, 6), 30_000)
    worker.after(milliseconds: delay) { [weak supervisor] in
      guard let supervisor, supervisor.stream == nil, supervisor.listen == nil else { return }
      supervisor.raise(.streamEnded)
    }
  }

  // MARK: Legacy upstreams

  private func openNotificationStream(_ supervisor: Supervisor, _ profile: Cluster.Profile) {
    guard profile.transport == .streamableHTTP, let open = supervisor.binding?.current else { return }
    let stream = UpstreamStream(supervisor.cluster, .notifications, binding: supervisor.binding, open: open)
    stream.ended = { [weak supervisor] status in
      // 405 and its like: the server has nothing to tell.
      guard status == 200 || status == 0 else { return }
      guard let supervisor else { return }
      supervisor.stream = nil
      self.listenAgain(supervisor)
    }
    supervisor.stream = worker.openNotificationStream(stream)
  }

  private func subscribe(
    _ supervisor: Supervisor, _ profile: Cluster.Profile, _ method: Method, _ uri: [UInt8]
  ) async {
    var members = ByteBuffer(capacity: uri.count + 16)
    members.append("\"uri\":")
    members.append(quoted: uri.rawBytes)
    // A server that refuses has nothing to tell: whoever named the resource hears of no changes.
    _ = await outcome(
      supervisor.cluster, profile, supervisor.binding, method, members.bytes.array, Self.acknowledgementTime)
  }

  // MARK: Modern upstreams

  /// The filter of a listen is fixed, so another takes its place: the old one ends only when the new one has been
  /// acknowledged, so that nothing is missed in between.
  private func renewListen(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    let offered = profile.offer.capabilities
    let wanted =
      offered.contains(.resourcesSubscribe) ? gateway.interests.wanted(of: supervisor.cluster.number) : []
    let filter = ListenFilter(
      kinds: [.tools, .prompts, .resources, .templates],
      resources: wanted.sorted { $0.lexicographicallyPrecedes($1) }
    ).honoured(by: offered)
    let old = supervisor.listen
    supervisor.listen = nil
    supervisor.subscribed = wanted
    if !filter.kinds.isEmpty || !filter.resources.isEmpty { await openListen(supervisor, profile, filter) }
    if let old { end(listen: old) }
  }

  private func endListen(_ supervisor: Supervisor) {
    guard let listen = supervisor.listen else { return }
    supervisor.listen = nil
    end(listen: listen)
  }

  private func end(listen: ExchangeID) {
    guard worker.exchanges.contains(listen) else { return }
    worker.cancelUpstream(listen, reason: "another listen takes its place")
    worker.finish(listen)
  }

  /// Returns once the upstream has acknowledged the listen, refused it, or taken too long.
  private func openListen(_ supervisor: Supervisor, _ profile: Cluster.Profile, _ filter: ListenFilter) async {
    let cluster = supervisor.cluster
    var members = ByteBuffer(capacity: 256)
    members.append("\"notifications\":")
    members.append(filter)
    let request = members.bytes.array
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      let gathering = Gathering(1)
      let call = LocalCall { [weak supervisor, worker] outcome in
        if gathering.arrive() { continuation.resume() }
        // Only the end of the listen of the moment is news, and a refusal is for good.
        guard let supervisor else { return }
        if let another = supervisor.listen, worker.exchanges.contains(another) { return }
        supervisor.listen = nil
        if Self.mayListenAgain(outcome) { self.listenAgain(supervisor) }
      }
      call.onNotification = { [worker] message in
        let scanner = EnvelopeScanner()
        let envelope = scanner.scan(message.rawBytes)
        switch envelope.method {
        case .notifySubscriptionsAcknowledged:
          if gathering.arrive() { return continuation.resume() }
          // It came too late to be waited for: what changed before it was not told.
          self.tell(cluster, .listChanged(.all))
        case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
          worker.listChanged(cluster, envelope.method, nil)
        case .notifyResourcesUpdated:
          worker.resourceUpdated(cluster, envelope, nil)
        default:
          break
        }
      }
      let listen = worker.ask(
        cluster, profile, supervisor.binding, .subscriptionsListen, members: request, timeout: nil, call)
      if let listen, worker.exchanges.contains(listen) { supervisor.listen = listen }
      worker.after(milliseconds: Self.acknowledgementTime) {
        if gathering.expire() { continuation.resume() }
      }
    }
  }

  private static func mayListenAgain(_ outcome: LocalCall.Outcome) -> Bool {
    switch outcome {
    case .failed: return true
    case .status(let status, _): return status == 429 || status >= 500
    case .message(let bytes, _, _):
      let scanner = EnvelopeScanner()
      return scanner.scan(bytes.rawBytes).kind == .result
    }
  }
}
