import MCP
import Reactor
import Wire

/// Where the gateway itself hears what an upstream tells outside of calls: GET of its own legacy session, or
/// `subscriptions/listen` of a modern upstream. Legacy children tell without being asked.
extension ControlPlane {
  /// How long an upstream may take to acknowledge a listen, or to take note of a subscription.
  static var acknowledgementTime: UInt64 { 2000 }
  /// A stream that ended sooner than this is opened again later and later.
  private static var briefTime: UInt64 { 10_000 }

  /// Opens the stream, and has the upstream tell of what somebody wants to hear.
  func startListening(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    let cluster = supervisor.cluster
    supervisor.listeningSince = worker.now
    // What is wanted of a server at all its first face tells; of what a conversation subscribed to that one hears.
    let wanted =
      cluster.isSecondFace ? Interests.Changes() : gateway.interests.follow(cluster.number, as: cluster.id)
    if profile.revision.era == .modern {
      await beginListens(supervisor, profile, wanted)
    } else {
      await openNotificationStream(supervisor, profile)
      await settle(wanted, supervisor, profile)
    }
  }

  func stopListening(_ supervisor: Supervisor) {
    if let connection = supervisor.stream {
      supervisor.stream = nil
      worker.upstream.streams.drop(connection)
    }
    endListens(supervisor)
    gateway.interests.unfollow(supervisor.cluster.number, as: supervisor.cluster.id)
  }

  /// Has the upstream tell of exactly the resources that somebody wants to hear of now.
  func settleInterests(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    let cluster = supervisor.cluster
    await settle(gateway.interests.takeChanges(of: cluster.number, as: cluster.id), supervisor, profile)
  }

  private func settle(_ changes: Interests.Changes, _ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    guard !changes.isEmpty, profile.offer.capabilities.contains(.resourcesSubscribe) else { return }
    if profile.revision.era == .modern { return await settleListens(supervisor, profile, changes) }
    for uri in changes.wanted { await subscribe(supervisor, profile, .resourcesSubscribe, uri) }
    for uri in changes.unwanted where supervisor.binding?.isSubscribed(uri) != true {
      await subscribe(supervisor, profile, .resourcesUnsubscribe, uri)
    }
  }

  /// What was told while nobody listened is lost: whoever named a resource is told that it may have changed.
  func makeUpForSilence(_ supervisor: Supervisor) {
    makeUpForSilence(supervisor, gateway.interests.wanted(of: supervisor.cluster.number))
  }

  func makeUpForSilence(_ supervisor: Supervisor, _ uris: [[UInt8]]) {
    for uri in uris {
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

  /// The stream has ended by itself: another one is opened in a while. What the server asked for, in milliseconds, is the
  /// least: one that ends its streams as soon as they are open would have its lists fetched again each time.
  nonisolated func listenAgain(_ supervisor: Supervisor, asked: UInt64? = nil, wasOfUse: Bool = false) {
    let wasOfUse = wasOfUse || worker.now >= supervisor.listeningSince + Self.briefTime
    if wasOfUse { supervisor.listenBackoff.succeeded() }
    let usual = wasOfUse ? supervisor.listenBackoff.delay() : supervisor.listenBackoff.failed()
    let delay = UpstreamRetry.delay(asked: asked.map { max($0, usual) }, otherwise: usual)
    worker.after(milliseconds: delay) { [weak supervisor] in
      guard let supervisor, supervisor.stream == nil, !supervisor.listens.isOpen else { return }
      supervisor.raise(.streamEnded)
    }
  }

  // MARK: Legacy upstreams

  /// Returns once the server has begun the stream of the gateway's own session, has refused it, or takes too long.
  private func openNotificationStream(_ supervisor: Supervisor, _ profile: Cluster.Profile) async {
    let cluster = supervisor.cluster
    guard profile.transport == .streamableHTTP, let open = supervisor.binding?.current else { return }
    await withCheckedContinuation { continuation in
      let opening = LocalOpening { continuation.resume() }
      let stream = UpstreamStream(cluster, .notifications, session: supervisor.binding, open: open)
      let past = supervisor.past.flatMap { $0.open?.isSame(as: open) == true ? $0 : nil }
      supervisor.past = nil
      if let past { stream.lastEventID = past.lastEventID }
      stream.settled = {
        cluster.note(.given)
        opening.complete()
      }
      stream.ended = { [weak supervisor, unowned stream] status in
        opening.complete()
        guard let supervisor else { return }
        supervisor.stream = nil
        // The time that the server named holds until it names another.
        stream.retry = stream.retry ?? past?.retry
        if status == 200 || status == 0 {
          supervisor.past = stream
        } else if stream.lastEventID.isEmpty {
          // 405 and its like: the server has nothing to tell.
          return cluster.noteRefusal(status)
        }
        // Otherwise it does not know that event any more: from now on, then [6.4].
        self.listenAgain(supervisor, asked: stream.retry, wasOfUse: stream.hasSpoken)
      }
      stream.moved = { [weak supervisor] in supervisor?.stream = $0 }
      supervisor.stream = worker.upstream.streams.open(stream)
      if supervisor.stream == nil { return opening.complete() }
      worker.after(milliseconds: Conversations.streamHeadTime) {
        guard !opening.isComplete else { return }
        cluster.note(.slow)
        opening.complete()
      }
    }
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
}
