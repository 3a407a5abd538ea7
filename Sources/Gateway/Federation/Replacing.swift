import MCP
import Reactor

/// A configuration that was read again while calls run: upstreams come, go and change, and nothing that is on its way
/// is lost. A server that changed is probed and its lists are fetched while the old one goes on serving; then the new
/// one takes its place for new calls, and the old one is left when its last call has ended.
extension ControlPlane {
  /// What a reload did to the upstreams, by alias.
  struct Changes: Sendable {
    var added: [String] = []
    var removed: [String] = []
    var changed: [String] = []

    var text: String {
      let parts = [("added", added), ("removed", removed), ("changed", changed)].compactMap { what, aliases in
        aliases.isEmpty ? nil : "\(what) \(aliases.joined(separator: ", "))"
      }
      return parts.isEmpty ? "the servers are the same" : parts.joined(separator: "; ")
    }
  }

  /// Goes over to other settings, on the control loop, or changes nothing.
  nonisolated func reload(
    _ settings: Settings, _ done: @escaping @Sendable (Result<Changes, Roster.Fault>) -> Void
  ) {
    gateway.post(to: gateway.workerCount) { _ in
      self.assumeIsolated { plane in
        do throws(Roster.Fault) {
          done(.success(try plane.reload(settings)))
        } catch {
          done(.failure(error))
        }
      }
    }
  }

  private func reload(_ settings: Settings) throws(Roster.Fault) -> Changes {
    let wanted = try roster.clusters(for: settings.configuration, keeping: clusters + successors.values)
    gateway.adopt(settings)
    var changes = Changes()
    var served: [Cluster] = []
    var left: [Cluster] = []
    for cluster in wanted {
      let serving = clusters.first { $0.number == cluster.number }
      if let successor = successors[cluster.number], successor !== cluster {
        successors[cluster.number] = nil
        left.append(successor)
      }
      if serving == nil { changes.added.append(cluster.alias) }
      guard let serving, serving !== cluster else {
        served.append(cluster)
        continue
      }
      if successors[cluster.number] == nil { changes.changed.append(cluster.alias) }
      if serving.profile == nil {
        // Nobody could call it yet.
        served.append(cluster)
        left.append(serving)
      } else {
        served.append(serving)
        successors[cluster.number] = cluster
      }
    }
    for cluster in clusters where !wanted.contains(where: { $0.number == cluster.number }) {
      changes.removed.append(cluster.alias)
      left.append(cluster)
      if let successor = successors.removeValue(forKey: cluster.number) { left.append(successor) }
    }
    clusters = served
    for cluster in wanted { look(after: cluster) }
    merge()
    for cluster in left { spawn { await leave(cluster) } }
    return changes
  }

  /// A cluster has answered, or failed to: if it is to take another's place it does so now. What the operator wants to
  /// be gone goes even if what is to come fails.
  func promote(_ cluster: Cluster) {
    guard successors[cluster.number] === cluster, !isFaceUnknown(of: cluster),
      let place = clusters.firstIndex(where: { $0.number == cluster.number })
    else { return }
    let sameServer = formerFace(for: cluster)
    successors[cluster.number] = nil
    if let sameServer {
      guard case .ready(let profile) = cluster.health, profile.revision.era == .modern else {
        // It was not what it seemed to be: what serves goes on.
        spawn { await leave(cluster) }
        return
      }
      clusters[place] = cluster
      adopt(sameServer, asFaceOf: cluster)
      merge()
      return
    }
    let former = clusters[place]
    let formerFace = takeFace(of: former)
    clusters[place] = cluster
    if case .down(let reason, let retryAt, nil) = cluster.health {
      // Its tools stay listed from the last good answer, like those of any server that fails.
      lists[cluster.id] = lists[former.id]
      lists[cluster.id]?.isFresh = false
      cluster.update(.down(reason: reason, retryAt: retryAt, former.profile))
    }
    merge()
    spawn { await leave(former) }
    if let formerFace { spawn { await leave(formerFace) } }
  }

  /// No new call comes to a cluster; once those on their way have ended its conversations are ended.
  func leave(_ cluster: Cluster) async {
    cluster.retire()
    let face = takeFace(of: cluster)
    if let face { spawn { await leave(face) } }
    let supervisor = supervisors.removeValue(forKey: cluster.id)
    if let supervisor {
      supervisor.isDismissed = true
      stopListening(supervisor)
      supervisor.raise(.stop)
    }
    // The other face of the same server goes on with the same connections.
    let keepsStake = clusters.contains { $0.stakeID == cluster.stakeID }
    for worker in 0..<gateway.loopCount {
      await withCheckedContinuation { continuation in
        gateway.post(to: worker) { $0.upstream.leave(cluster, keepsStake: keepsStake) { continuation.resume() } }
      }
    }
    for upstream in gateway.upstream.sessions.take(of: cluster) { worker.upstream.end(upstream) }
    for session in gateway.sessions.all {
      if let own = session.takeUpstream(of: cluster) { worker.upstream.end(own) }
    }
    if let binding = supervisor?.binding { worker.upstream.end(binding) }
    lists[cluster.id] = nil
    logger.debug("\(cluster.alias): the last call of its former configuration has ended")
    guard !clusters.contains(where: { $0.number == cluster.number }) else { return }
    // Who looked at this server alone has nothing to look at any more.
    let view = CatalogueView.only(upstream: cluster.number)
    for session in gateway.sessions.all where session.view == view {
      gateway.post(to: Int(session.id.worker)) { $0.end(session) }
    }
    gateway.postToAll { worker in
      worker.endListens { $0.view == view }
      worker.closeSockets(to: view)
    }
  }
}
