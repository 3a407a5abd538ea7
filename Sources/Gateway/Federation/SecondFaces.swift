import Configuration
import MCP
import Reactor

/// What is known of a server of the modern era as one of the legacy era. Its cluster is looked after like any other, but has
/// the number and the alias of the first, and shares its stake: to everybody else both are one server.
struct SecondFace {
  var state: SecondFaceState
  var cluster: Cluster?
  /// It takes so long to answer that clients wait for it no longer but those who are patient, or not even they.
  var isOverdue = false
  var isLate = false
}

/// Clients that wait until it is known what servers are in the legacy era.
struct FaceWaiter {
  /// By the ids of their clusters.
  var servers: Set<Int>
  /// They wait for as long as a server may take to be found out.
  var isPatient: Bool
  var done: @Sendable () -> Void
}

extension ControlPlane {
  /// What clients of the legacy era call: of each server the second face, once it has answered.
  var legacyClusters: [Cluster] { clusters.map { face(of: $0) ?? $0 } }

  /// The second face of a server, if that has ever answered and is not away.
  func face(of cluster: Cluster) -> Cluster? {
    guard let known = faces[cluster.id], let face = known.cluster, face.profile != nil, !known.state.isAway else {
      return nil
    }
    return face
  }

  /// The server that a cluster is a face of.
  func server(of face: Cluster) -> Cluster? {
    let served = clusters + successors.values
    return served.first { faces[$0.id]?.cluster === face }
  }

  /// It is being found out what it is in the legacy era.
  func isFaceUnknown(of cluster: Cluster) -> Bool {
    faces[cluster.id]?.cluster.map { !$0.hasAnswered } ?? false
  }

  /// A face that has not answered well, or does not any more, may still do so.
  func isFacePromised(of cluster: Cluster) -> Bool {
    guard let known = faces[cluster.id], let face = known.cluster else { return false }
    return face.profile == nil || known.state.isAway
  }

  // MARK: What becomes of it

  /// A server was looked at: it may have a second face, or not any more.
  func found(_ profile: Cluster.Profile, of cluster: Cluster) {
    guard !cluster.isSecondFace, let server = cluster.server, server.era == .automatic, formerFace(for: cluster) == nil
    else { return }
    let isWanted = gateway.sessions.all.contains { $0.view.shows(cluster) }
    var face = faces[cluster.id] ?? SecondFace(state: SecondFaceState(isCommand: server.isCommand))
    let action = face.state.found(profile.revision.era, isWanted: isWanted)
    faces[cluster.id] = face
    perform(action, cluster)
  }

  private func perform(_ action: SecondFaceState.Action, _ cluster: Cluster) {
    switch action {
    case .nothing:
      break
    case .open:
      let face = roster.face(of: cluster, isSecond: true)
      faces[cluster.id]?.cluster = face
      faces[cluster.id]?.isOverdue = false
      faces[cluster.id]?.isLate = false
      look(after: face)
      spawn { await bound(face, of: cluster) }
    case .close:
      guard let face = faces[cluster.id]?.cluster else { break }
      faces[cluster.id]?.cluster = nil
      merge()
      spawn { await leave(face) }
    }
    noteAwaited(cluster)
  }

  /// Clients wait for a face for so long from when it was begun, however often they wait.
  private func bound(_ face: Cluster, of cluster: Cluster) async {
    let usual = gateway.configuration.firstListWait.milliseconds
    await pause(usual)
    guard faces[cluster.id]?.cluster === face else { return }
    faces[cluster.id]?.isOverdue = true
    release(cluster, patientToo: false)
    if probeTimeout > usual { await pause(probeTimeout - usual) }
    guard faces[cluster.id]?.cluster === face else { return }
    faces[cluster.id]?.isLate = true
    noteAwaited(cluster)
    release(cluster)
  }

  private func noteAwaited(_ cluster: Cluster) {
    let face = faces[cluster.id]
    let isBegun = isFaceUnknown(of: cluster) && face?.isLate == false
    cluster.awaitsSecondFace = isBegun || face?.state.isUntried == true
  }

  /// A face has answered, well or not, and everybody can see what came of that.
  func answered(_ face: Cluster) {
    guard face.isSecondFace, let cluster = server(of: face) else { return }
    settle(cluster)
  }

  /// It does not take `initialize`: a server of the modern era only, until it is looked at afresh.
  func refused(_ face: Cluster, _ why: String) {
    guard let cluster = server(of: face), let action = faces[cluster.id]?.state.refused() else { return }
    close(face, of: cluster, action, why)
  }

  /// It was there, and now ends on `initialize` or says nothing to it. True if it is given up for that.
  func fellSilent(_ face: Cluster, _ why: String) -> Bool {
    guard let cluster = server(of: face),
      let action = faces[cluster.id]?.state.silent(isServerReady: cluster.isReady), action == .close
    else { return false }
    close(face, of: cluster, action, why)
    return true
  }

  private func close(_ face: Cluster, of cluster: Cluster, _ action: SecondFaceState.Action, _ why: String) {
    // That a server has never been of the legacy era is no news.
    logger.log(
      level: face.profile == nil ? .debug : .warning, "\(cluster.alias) is of the modern era only: \(why)",
      metadata: ["server": "\(cluster.alias)"])
    perform(action, cluster)
    settle(cluster)
  }

  /// A server or its face was looked at, or went away. A face that is missed comes back soon, as a rule: clients are told
  /// of other lists only where it does not.
  func noteFare(of cluster: Cluster) {
    guard let server = cluster.isSecondFace ? server(of: cluster) : cluster,
      let face = faces[server.id]?.cluster, face.profile != nil,
      let begins = faces[server.id]?.state.fared(
        isReady: face.isReady, isServerReady: server.isReady, now: worker.now), begins
    else { return }
    spawn {
      let patience = max(gateway.configuration.firstListWait.milliseconds, probeTimeout)
      await pause(patience)
      guard !stopped, faces[server.id]?.cluster === face,
        faces[server.id]?.state.waited(patience, now: worker.now) == true
      else { return }
      if case .down(let reason, _, _) = face.health {
        logger.info(
          "\(server.alias) is served to clients of the legacy era by translation until it is back in that era: \(reason)",
          metadata: ["server": "\(server.alias)"])
      }
      merge()
    }
  }

  private func settle(_ cluster: Cluster) {
    noteAwaited(cluster)
    promote(cluster)
    release(cluster)
  }

  /// Who waits for a server's second face waits no longer.
  private func release(_ cluster: Cluster, patientToo: Bool = true) {
    for place in faceWaiters.indices where patientToo || !faceWaiters[place].isPatient {
      faceWaiters[place].servers.remove(cluster.id)
    }
    let done = faceWaiters.filter(\.servers.isEmpty)
    faceWaiters.removeAll(where: \.servers.isEmpty)
    for waiter in done { waiter.done() }
  }

  /// Takes what is known of a server's second face away with it.
  func takeFace(of cluster: Cluster) -> Cluster? {
    defer { release(cluster) }
    return faces.removeValue(forKey: cluster.id)?.cluster
  }

  // MARK: Clients

  /// A client of the legacy era looks at these servers. `done` is called once it is known what each of them is in that era;
  /// who calls bounds that.
  nonisolated func expectLegacy(
    _ view: CatalogueView, isPatient: Bool = false, _ done: @escaping @Sendable () -> Void
  ) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { $0.expect(view, isPatient, done) }
    }
  }

  private func expect(_ view: CatalogueView, _ isPatient: Bool, _ done: @escaping @Sendable () -> Void) {
    guard !stopped else { return done() }
    let concerned = clusters.filter { view.shows($0) && $0.awaitsSecondFace }
    var begun = false
    for cluster in concerned {
      guard let action = faces[cluster.id]?.state.wanted(), action != .nothing else { continue }
      perform(action, cluster)
      begun = true
    }
    // What it may bring is promised from now on.
    if begun { merge() }
    let awaited = concerned.filter { isFaceUnknown(of: $0) && (isPatient || faces[$0.id]?.isOverdue == false) }
    guard !awaited.isEmpty else { return done() }
    faceWaiters.append(FaceWaiter(servers: Set(awaited.map(\.id)), isPatient: isPatient, done: done))
  }

  // MARK: Looking at it

  /// Opens the gateway's own conversation in the legacy era.
  func probeSecondFace(_ supervisor: Supervisor) async throws(UpstreamFailure) -> Cluster.Profile {
    let cluster = supervisor.cluster
    let transport: Cluster.Transport =
      switch cluster.server?.kind {
      case .url(let remote): remote.transport == .webSocket ? .webSocket : .streamableHTTP
      case .command, nil: .stdio
      }
    cluster.forgetMove()
    return try await introduce(supervisor, transport)
  }

  /// Whether a server takes `initialize` no more. What is open goes on meanwhile; a process stays in the era that it was begun
  /// in.
  func lookForRefusal(_ face: Cluster) async {
    guard face.profile?.transport == .streamableHTTP else { return }
    let binding = UpstreamSession(cluster: face, owner: nil, abilities: [], isFollowed: true)
    _ = binding.access(UpstreamSession.Waiter(.none))
    let result = await withCheckedContinuation { continuation in
      worker.upstream.conversations.establish(binding, .streamableHTTP, .legacy) { continuation.resume(returning: $0) }
    }
    switch result {
    case .success(let established): worker.upstream.end(established.open, face)
    case .failure(let error): if meaning(of: error, for: face) == .refusal { refused(face, error.text) }
    }
  }

  // MARK: Upgrades

  /// A legacy server was found to speak the modern era too. What runs with it goes on: another cluster is looked at, and
  /// takes its place for clients of the modern era.
  func upgrade(_ cluster: Cluster) {
    guard !stopped, successors[cluster.number] == nil, clusters.contains(where: { $0 === cluster }) else { return }
    let next = roster.face(of: cluster, isSecond: false)
    successors[cluster.number] = next
    look(after: next)
  }

  /// What becomes the second face of a cluster that takes its place: the same server as it was known until now.
  func formerFace(for cluster: Cluster) -> Cluster? {
    guard successors[cluster.number] === cluster, cluster.stakeID != cluster.id else { return nil }
    return clusters.first { $0.number == cluster.number && $0.stakeID == cluster.stakeID }
  }

  /// Keeps a server as it was known until now for clients of the legacy era.
  func adopt(_ former: Cluster, asFaceOf cluster: Cluster) {
    former.becomeSecondFace()
    gateway.interests.unfollow(former.number, as: former.id)
    var face = SecondFace(state: .former(isCommand: cluster.server?.isCommand ?? false))
    face.cluster = former
    faces[cluster.id] = face
    faces[former.id] = nil
    spawn { await lookForRefusal(former) }
  }
}

extension CatalogueView {
  func shows(_ cluster: Cluster) -> Bool {
    switch self {
    case .all: true
    case .only(let number): number == cluster.number
    }
  }
}

extension GatewayConfiguration.Server {
  var isCommand: Bool { if case .command = kind { true } else { false } }
}
