import Catalogue
import Clusters
import Links
import Membership
import Reactor
import Sessions
import Supervision
import UpstreamClient
import Workers

/// How a cluster leaves that serves no more: no new call comes to it, and once those on their way have ended its conversations
/// are ended.
final class Retirement: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let clusters: ClusterSet
  private let faces: SecondFaces
  private let supervised: SupervisedClusters
  private let memberships: Memberships
  private let listens: GatewayListens
  private let lists: ServerLists

  init(
    _ loop: ControlLoop, _ clusters: ClusterSet, _ faces: SecondFaces, _ supervised: SupervisedClusters,
    _ memberships: Memberships, _ listens: GatewayListens, _ lists: ServerLists
  ) {
    self.loop = loop
    self.clusters = clusters
    self.faces = faces
    self.supervised = supervised
    self.memberships = memberships
    self.listens = listens
    self.lists = lists
  }

  func begin(_ cluster: Cluster) { loop.begin { await self.leave(cluster) } }

  private func leave(_ cluster: Cluster) async {
    let upstream = loop.upstream
    cluster.retire()
    if let face = faces.take(from: cluster) { begin(face) }
    let server = supervised.remove(cluster)
    if let server {
      listens.stop(server)
      server.dismiss()
    }
    memberships.end(cluster)
    // The other face of the same server goes on with the same connections.
    let keepsStake = clusters.served.contains { $0.stakeID == cluster.stakeID }
    for index in 0..<upstream.context.group.loopCount {
      await withCheckedContinuation { continuation in
        upstream.shared.mail.send(.leave(cluster, keepsStake: keepsStake) { continuation.resume() }, to: index)
      }
    }
    for conversation in upstream.shared.sessions.take(of: cluster) { upstream.end(conversation) }
    await loop.visitSessions { if let own = $0.takeUpstream(of: cluster) { upstream.end(own) } }
    if let binding = server?.binding { upstream.end(binding) }
    lists.forget(cluster)
    loop.logger.debug("\(cluster.alias): the last call of its former configuration has ended")
    guard clusters.serving(cluster.number) == nil else { return }
    // Who looked at this server alone has nothing to look at any more.
    let view = CatalogueView.only(upstream: cluster.number)
    if loop.sessions.table.count(seeing: view) > 0 {
      await loop.visitSessions { if $0.view == view { loop.clients.end($0) } }
    }
    loop.clients.endListens(seeing: view)
  }
}
