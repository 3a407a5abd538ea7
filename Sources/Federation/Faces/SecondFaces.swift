import Catalogue
import Clusters
import Configuration
import MCP
import Reactor
import ServedCatalogue
import Sessions
import Supervision
import Workers

/// What is known of a server of the modern era as one of the legacy era. Its cluster is looked after like any other, but has
/// the number and the alias of the first, and shares its stake: to everybody else both are one server.
private struct SecondFace {
  var state: SecondFaceState
  var cluster: Cluster?
  /// It takes so long to answer that clients wait for it no longer but those who are patient, or not even they.
  var isOverdue = false
  var isLate = false
}

/// Clients that wait until it is known what servers are in the legacy era.
private struct FaceWaiter {
  /// By the ids of their clusters.
  var servers: Set<Int>
  /// They wait for as long as a server may take to be found out.
  var isPatient: Bool
  var done: @Sendable () -> Void
}

/// What servers of the modern era are for clients of the legacy one.
final class SecondFaces: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let clusters: ClusterSet
  private let handshake: OwnHandshake
  weak var delegate: (any SupervisionDelegate)?
  /// By the id of the cluster that stands for the server.
  private var faces: [Int: SecondFace] = [:]
  private var waiters: [FaceWaiter] = []

  init(_ loop: ControlLoop, _ clusters: ClusterSet, _ handshake: OwnHandshake) {
    self.loop = loop
    self.clusters = clusters
    self.handshake = handshake
  }

  /// What clients of the legacy era call: of each server the second face, once it has answered.
  var legacyClusters: [Cluster] { clusters.served.map { face(of: $0) ?? $0 } }

  /// The second face of a server, if that has ever answered and is not away.
  func face(of cluster: Cluster) -> Cluster? {
    guard let known = faces[cluster.id], let face = known.cluster, face.profile != nil, !known.state.isAway else {
      return nil
    }
    return face
  }

  /// The server that a cluster is a face of.
  func server(of face: Cluster) -> Cluster? {
    let served = clusters.served + clusters.successors.values
    return served.first { faces[$0.id]?.cluster === face }
  }

  /// It is being found out what it is in the legacy era.
  func isUnknown(_ cluster: Cluster) -> Bool {
    faces[cluster.id]?.cluster.map { !$0.hasAnswered } ?? false
  }

  /// A face that has not answered well, or does not any more, may still do so.
  func isPromised(_ cluster: Cluster) -> Bool {
    guard let known = faces[cluster.id], let face = known.cluster else { return false }
    return face.profile == nil || known.state.isAway
  }

  /// A face of it was begun, and serves or may come to.
  func isOpen(_ cluster: Cluster) -> Bool { begun(of: cluster) != nil }

  /// The second face of a server, answered or not.
  func begun(of cluster: Cluster) -> Cluster? { faces[cluster.id]?.cluster }

  /// It has one, or may turn out to as soon as somebody comes for it.
  func mayBe(of cluster: Cluster) -> Bool { faces[cluster.id].map { $0.state.isOpen || $0.state.isUntried } ?? false }

  /// Of none of those that are served it is still to be found out what it is in the legacy era.
  var areKnown: Bool { !clusters.served.contains(where: isUnknown) }

  private var probeTime: UInt64 { loop.configuration.limits.probeTimeout.milliseconds }

  // MARK: What becomes of it

  /// A server was looked at: it may have a second face, or not any more.
  func found(_ profile: Cluster.Profile, of cluster: Cluster) {
    guard !cluster.isSecondFace, let server = cluster.server, server.era == .automatic,
      clusters.formerFace(for: cluster) == nil
    else { return }
    let sessions = loop.sessions.table
    let isWanted = sessions.count(seeing: .all) + sessions.count(seeing: .only(upstream: cluster.number)) > 0
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
      let face = clusters.face(of: cluster, isSecond: true)
      faces[cluster.id]?.cluster = face
      faces[cluster.id]?.isOverdue = false
      faces[cluster.id]?.isLate = false
      delegate?.supervise(face)
      loop.begin { await self.bound(face, of: cluster) }
    case .close:
      guard let face = faces[cluster.id]?.cluster else { break }
      faces[cluster.id]?.cluster = nil
      // Of many servers that are found to have none at the same time one catalogue is made.
      if face.profile == nil { delegate?.mergeSoon() } else { delegate?.merge() }
      delegate?.retire(face)
    }
    noteAwaited(cluster)
  }

  /// Clients wait for a face for so long from when it was begun, however often they wait.
  private func bound(_ face: Cluster, of cluster: Cluster) async {
    let usual = loop.configuration.firstListWait.milliseconds
    await loop.pause(usual)
    guard faces[cluster.id]?.cluster === face else { return }
    faces[cluster.id]?.isOverdue = true
    release(cluster, patientToo: false)
    if probeTime > usual { await loop.pause(probeTime - usual) }
    guard faces[cluster.id]?.cluster === face else { return }
    faces[cluster.id]?.isLate = true
    noteAwaited(cluster)
    release(cluster)
  }

  private func noteAwaited(_ cluster: Cluster) {
    let face = faces[cluster.id]
    let isBegun = isUnknown(cluster) && face?.isLate == false
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
    loop.logger.log(
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
        isReady: face.isReady, isServerReady: server.isReady, now: loop.now), begins
    else { return }
    loop.begin { [self] in
      let patience = max(loop.configuration.firstListWait.milliseconds, probeTime)
      await loop.pause(patience)
      guard !loop.isStopped, faces[server.id]?.cluster === face,
        faces[server.id]?.state.waited(patience, now: loop.now) == true
      else { return }
      if case .down(let reason, _, _) = face.health {
        loop.logger.info(
          "\(server.alias) is served to clients of the legacy era by translation until it is back in that era: \(reason)",
          metadata: ["server": "\(server.alias)"])
      }
      delegate?.merge()
    }
  }

  private func settle(_ cluster: Cluster) {
    noteAwaited(cluster)
    delegate?.promote(cluster)
    release(cluster)
  }

  /// Who waits for a server's second face waits no longer.
  private func release(_ cluster: Cluster, patientToo: Bool = true) {
    for place in waiters.indices where patientToo || !waiters[place].isPatient {
      waiters[place].servers.remove(cluster.id)
    }
    let done = waiters.filter(\.servers.isEmpty)
    waiters.removeAll(where: \.servers.isEmpty)
    // They look at what is served by now.
    if !done.isEmpty, delegate?.isMergeDue == true { delegate?.merge() }
    for waiter in done { waiter.done() }
  }

  /// Takes what is known of a server's second face away with it.
  func take(from cluster: Cluster) -> Cluster? {
    defer { release(cluster) }
    return faces.removeValue(forKey: cluster.id)?.cluster
  }

  // MARK: Clients

  /// A client of the legacy era looks at these servers. `done` is called once it is known what each of them is in that era;
  /// who calls bounds that.
  func expect(_ view: CatalogueView, isPatient: Bool, _ done: @escaping @Sendable () -> Void) {
    guard !loop.isStopped else { return done() }
    let concerned = clusters.served.filter { view.shows($0) && $0.awaitsSecondFace }
    var begun = false
    for cluster in concerned {
      guard let action = faces[cluster.id]?.state.wanted(), action != .nothing else { continue }
      perform(action, cluster)
      begun = true
    }
    // What it may bring is promised from now on.
    if begun { delegate?.merge() }
    let awaited = concerned.filter { isUnknown($0) && (isPatient || faces[$0.id]?.isOverdue == false) }
    guard !awaited.isEmpty else { return done() }
    waiters.append(FaceWaiter(servers: Set(awaited.map(\.id)), isPatient: isPatient, done: done))
  }

  // MARK: Upgrades

  /// Keeps a server as it was known until now for clients of the legacy era.
  func adopt(_ former: Cluster, of cluster: Cluster) {
    former.becomeSecondFace()
    loop.sessions.interests.unfollow(former.number, as: former.id)
    var face = SecondFace(state: .former(isCommand: cluster.server?.isCommand ?? false))
    face.cluster = former
    faces[cluster.id] = face
    faces[former.id] = nil
    lookForRefusal(former)
  }

  /// Whether a server takes `initialize` no more. What is open goes on meanwhile; a process stays in the era that it was begun
  /// in.
  func lookForRefusal(_ face: Cluster) {
    guard face.profile?.transport == .streamableHTTP else { return }
    loop.begin { [self] in
      if let fault = await handshake.trial(of: face), fault.meaning == .refusal { refused(face, fault.text) }
    }
  }
}
