import MCP
import Reactor
import Wire

/// What upstreams tell without being asked, and whom it concerns.
extension Worker {
  /// An upstream's list has changed. In a conversation that is one client's alone, that client may see something else.
  func listChanged(_ cluster: Cluster, _ method: Method, _ binding: UpstreamSession?) {
    control?.listChanged(cluster, method)
    if let binding, binding.owner != nil, cluster.profile?.revision.era == .legacy {
      control?.listChanged(binding, method)
    }
  }

  /// A resource changed: who subscribed to it, or to what it lies below, hears of it. Without a conversation it was told
  /// on the gateway's own listen.
  func resourceUpdated(_ cluster: Cluster, _ envelope: Envelope, _ binding: UpstreamSession?) {
    guard let place = envelope.member(Param.uri)?.value, let uri = JSON.bytes(envelope.message[place]),
      let upstream = cluster.profile?.revision
    else { return }
    let isModern = upstream.era == .modern
    if !isModern, let owner = binding?.owner {
      guard let binding, let session = gateway.sessions.find(owner) else { return }
      // Whatever it says there is for that client, subscribed or not.
      let isMarked = binding.subscribers(of: uri)[session.id] == true
      emit(marked(envelope, place, cluster, isMarked).rawBytes, to: session)
      return
    }
    if !isModern, let binding {
      tellSubscribers(of: binding, envelope, place, uri)
      // Listens hear what the gateway's own conversation says; with `isolation: principal` there are others.
      if cluster.isolation != .shared, gateway.sharedUpstreams.contains(where: { $0 === binding }) { return }
    }
    let update = ResourceUpdate(
      upstream: cluster.number, alias: cluster.alias, revision: upstream, uri: uri, message: envelope.message.array)
    if isModern { tellSessions(update) }
    for worker in 0..<gateway.workerCount { on(worker) { $0.tellListens(update) } }
  }

  /// Sessions whose subscriptions the gateway's own conversation with the upstream serves.
  private func tellSessions(_ update: ResourceUpdate) {
    let notifications = ResourceNotifications(update)
    update.forEach(of: gateway.interests.sessions(hearing: update.upstream, update.uri)) { id, name in
      guard let session = gateway.sessions.find(id) else { return }
      notifications.announcement(named: name, for: session.revision)?.tell(session, on: self)
    }
    notifications.finish(on: self)
  }

  /// Sessions that subscribed in a conversation that they share.
  private func tellSubscribers(of binding: UpstreamSession, _ envelope: Envelope, _ place: Slice, _ uri: [UInt8]) {
    var announcements: [Bool: Announcement] = [:]
    for (id, isMarked) in binding.subscribers(of: uri) {
      guard let session = gateway.sessions.find(id) else { continue }
      let announcement =
        announcements[isMarked] ?? Announcement(marked(envelope, place, binding.cluster, isMarked))
      announcements[isMarked] = announcement
      announcement.tell(session, on: self)
    }
    for announcement in announcements.values { announcement.finish(on: self) }
  }

  /// The message with the URI as the client knows it.
  private func marked(_ envelope: Envelope, _ place: Slice, _ cluster: Cluster, _ isMarked: Bool) -> [UInt8] {
    guard isMarked, let contents = JSON.contents(of: envelope.message[place]) else { return envelope.message.array }
    var token = ByteBuffer()
    token.append("\"")
    ResourceTag.append(contents, alias: cluster.alias, to: &token)
    token.append("\"")
    var message = ByteBuffer(capacity: envelope.message.byteCount + 64)
    splice.reset()
    splice.replace(place, with: token.bytes)
    return splice.write(envelope.message, into: &message) ? message.bytes.array : envelope.message.array
  }

  /// A message that carries no sign of whom it is for: everybody whose conversation it is. Where that may be several
  /// principals it is nobody's, since it may speak of what one of them did.
  func broadcast(_ envelope: Envelope, _ binding: UpstreamSession) {
    if let owner = binding.owner {
      if let session = gateway.sessions.find(owner) { emit(envelope.message, to: session) }
      return
    }
    let level = envelope.method == .notifyMessage ? LogLevel(token: envelope.value(Param.level)) : nil
    if binding.cluster.isolation == .shared, settings.tellsClientsApart { return }
    let announcement = Announcement(envelope.message.array)
    for session in gateway.sessions(sharing: binding) {
      // What all share speaks as low as the lowest level that somebody asked for.
      if let level, let least = session.withState({ $0.logLevel }), level < least { continue }
      announcement.tell(session, on: self)
    }
    announcement.finish(on: self)
  }

  // MARK: Interests

  /// Whether a conversation that clients share brings news of a resource to listens as well.
  func isWanted(_ interest: ResourceInterest, in binding: UpstreamSession) -> Bool {
    binding.cluster.isolation == .shared && gateway.interests.wanted(of: interest.upstream).contains(interest.uri)
  }

  /// The longest that an acknowledgement waits for upstreams to take note of what it acknowledges.
  private static var settlingTime: UInt64 { 2000 }

  /// Somebody wants to hear of these resources. Goes on when their upstreams have been told, so that nothing that
  /// happens from then on is missed, or after a while in any case.
  func beginInterest(_ interests: [ResourceInterest], _ settled: @escaping @Sendable (Worker) -> Void) {
    gateway.interests.add(interests)
    tellUpstreams(of: interests, settled)
  }

  /// Nobody that was counted for these resources wants to hear of them any more.
  func endInterest(_ interests: [ResourceInterest], _ settled: @escaping @Sendable (Worker) -> Void = { _ in }) {
    gateway.interests.remove(interests)
    tellUpstreams(of: interests, settled)
  }

  /// Has the upstreams of these resources take note of who is interested by now.
  func tellUpstreams(of interests: [ResourceInterest], _ settled: @escaping @Sendable (Worker) -> Void) {
    let concerned = Set(interests.map(\.upstream)).compactMap { gateway.cluster(numbered: $0) }
    let ready = concerned.filter { if case .ready = $0.health { !$0.isEmbedded } else { false } }
    guard let control, !ready.isEmpty else { return settled(self) }
    let gathering = Gathering(ready.count)
    let (state, home) = (gateway, index)
    for cluster in ready {
      control.resourceInterestChanged(cluster) {
        if gathering.arrive() { state.post(to: home, settled) }
      }
    }
    after(milliseconds: Self.settlingTime) { [unowned self] in
      if gathering.expire() { settled(self) }
    }
  }

  /// The catalogue changed: listens of this worker are told once for each kind.
  func announce(_ changes: ServedCatalogue.Changes) {
    for (stream, listen) in listens where listen.isAcknowledged {
      for kind in ListKind.allCases
      where Self.concerns(kind, changes[listen.view]) && listen.filter.kinds.contains(ListKinds(kind)) {
        var message = ByteBuffer(capacity: 192)
        message.append(changed: kind, subscriptionID: listen.subscriptionID.bytes)
        write(message.bytes, on: stream)
      }
    }
  }

  /// The same for sessions that see what all see, from the control loop.
  func announceToSessions(_ changes: ServedCatalogue.Changes) {
    announce(changes, to: gateway.sessions.all.filter { $0.overlay == nil })
  }

  func announce(_ changes: ServedCatalogue.Changes, to sessions: [Session]) {
    for kind in ListKind.allCases {
      var message = ByteBuffer(capacity: 96)
      message.append(changed: kind, subscriptionID: nil)
      let announcement = Announcement(message.bytes.array)
      for session in sessions where Self.concerns(kind, changes[session.view]) {
        announcement.tell(session, on: self)
      }
      announcement.finish(on: self)
    }
  }

  /// Whether a change of that kind is to be told. Templates have no notification of their own: that of the resources
  /// tells of both.
  private static func concerns(_ kind: ListKind, _ changed: ListKinds) -> Bool {
    guard changed.contains(ListKinds(kind)) else { return false }
    return kind != .templates || !changed.contains(.resources)
  }
}
