import MCP
import Reactor
import Wire

/// What upstreams tell without being asked, and whom it concerns.
extension Worker {
  /// An upstream's list has changed. In a conversation that is one client's alone, that client may see something else.
  func listChanged(_ cluster: Cluster, _ method: Method, _ binding: UpstreamSession?) {
    let kinds = ListKinds(changed: method)
    // At once: whoever asks for a list after what that server says next must not get the old one.
    cluster.freshness.withLock { $0.announced(kinds) }
    var own: UpstreamSession?
    if let binding, binding.owner != nil, cluster.profile?.revision.era == .legacy {
      binding.ownLists.announce(kinds)
      own = binding
    }
    control?.listChanged(cluster, kinds, own: own)
  }

  /// An upstream's lists may have changed while it could not tell.
  func listsMayHaveChanged(_ cluster: Cluster, _ kinds: ListKinds) {
    cluster.freshness.withLock { $0.announced(kinds) }
    control?.listChanged(cluster, kinds, own: nil, isTold: false)
  }

  /// A resource changed: who subscribed to it, or to what it lies below, hears of it. Without a conversation it was told
  /// on the gateway's own listen. What a server says of another's resources is nobody's news.
  func resourceUpdated(_ cluster: Cluster, _ envelope: Envelope, _ binding: UpstreamSession?) {
    guard let token = envelope.value(Param.uri), let uri = JSON.bytes(token), let upstream = cluster.profile?.revision
    else { return }
    let session = binding?.owner.flatMap(gateway.sessions.find)
    let era: Era = session != nil || cluster.isSecondFace ? .legacy : .modern
    let routes = (session?.overlay ?? gateway.catalogue(of: era)).routes
    let update = ResourceUpdate(
      upstream: cluster.number, alias: cluster.alias, revision: upstream, uri: uri,
      claim: routes.claim(of: uri.rawBytes, by: cluster.number), message: envelope.message.array,
      isKnown: cluster.isAtURL)
    if upstream.era == .modern {
      tellSessions(update)
    } else if let binding {
      if binding.owner != nil {
        if let session { tell(update, to: session, binding) }
        return
      }
      tellSubscribers(of: binding, update)
      // Listens hear what the gateway's own conversation says; with `isolation: principal` there are others.
      if cluster.isolation != .shared, gateway.upstream.sessions.all.contains(where: { $0 === binding }) { return }
      // They hear what the server's first face says.
      if cluster.isSecondFace { return }
    }
    for worker in 0..<gateway.workerCount { delivery.hand(.resourceUpdated(update), to: worker) }
  }

  /// A client hears what its own conversation says of that server's resources, subscribed or not.
  private func tell(_ update: ResourceUpdate, to session: Session, _ binding: UpstreamSession) {
    let named = binding.subscribers(of: update.uri)[session.id]
    var name: [UInt8]?
    if let named {
      name = update.name(for: named, seeing: session.view)
    } else if session.view != .all {
      name = update.uri
    } else if case .own(let exposed) = update.claim {
      name = exposed
    }
    guard let name else { return }
    var message = ByteBuffer(capacity: update.message.count + 64)
    guard update.append(to: &message, named: name, client: session.revision) else { return }
    emit(message.bytes, to: session, isKnown: update.isKnown && named != nil)
  }

  /// Sessions whose subscriptions the gateway's own conversation with the upstream serves.
  private func tellSessions(_ update: ResourceUpdate) {
    let groups = gateway.interests.sessions(hearing: update.upstream, update.uri)
    if !groups.isEmpty { delivery.tell(SessionUpdateRound(update, groups, on: self)) }
  }

  /// Sessions that subscribed in a conversation that they share.
  private func tellSubscribers(of binding: UpstreamSession, _ update: ResourceUpdate) {
    delivery.tell(SubscriberUpdateRound(update, binding.subscribers(of: update.uri), on: self))
  }

  /// A message that carries no sign of whom it is for: everybody whose conversation it is. Where that may be several
  /// principals it is nobody's, since it may speak of what one of them did.
  func broadcast(_ envelope: Envelope, _ binding: UpstreamSession) {
    if let owner = binding.owner {
      if let session = gateway.sessions.find(owner) { emit(envelope.message, to: session) }
      return
    }
    let isLog = envelope.method == .notifyMessage
    let level = isLog ? LogLevel(token: envelope.value(Param.level)) : nil
    if binding.cluster.isolation == .shared, settings.tellsClientsApart { return }
    guard let sharers = gateway.sharers(of: binding) else { return }
    let announcement = Announcement(envelope.message.array)
    guard isLog else { return delivery.tell(SharersRound(announcement, sharers, on: self)) }
    // What all share speaks as low as the lowest level that somebody asked for. Who asked for none may still be the one whose
    // call it speaks of.
    let callers = binding.callers.sessionIDs.filter { id in
      guard let session = gateway.sessions.find(id), sharers.contains(session) else { return false }
      return session.withState { $0.logLevel } == nil
    }
    let listeners = gateway.sessions.listeners(among: sharers, at: level)
    delivery.tell(SessionsRound(announcement, listeners + callers, on: self))
  }

  // MARK: Interests

  /// Whether a conversation that clients share brings news of a resource to listens as well.
  func isWanted(_ interest: ResourceInterest, in binding: UpstreamSession) -> Bool {
    binding.cluster.isolation == .shared && !binding.cluster.isSecondFace && gateway.interests.isWanted(interest)
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

  // MARK: Lists

  func announce(_ changes: ListChanges, to sessions: [Session]) {
    announce(to: sessions) { changes[$0.view] }
  }

  /// Tells a few sessions that lists have changed: which, for each of them.
  func announce(to sessions: [Session], _ changed: (Session) -> ListKinds) {
    let notices = ListNotices()
    for session in sessions { notices.tell(changed(session), to: session, on: self) }
    notices.finish(on: self)
  }
}
