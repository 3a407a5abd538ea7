import Logging
import MCP
import Wire

/// What the control loop has workers do with their clients.
final class FederationClients: FederationDelegate {
  private let gateway: GatewayState
  /// That of the control loop.
  private let worker: Worker

  init(_ gateway: GatewayState, _ worker: Worker) {
    self.gateway = gateway
    self.worker = worker
  }

  func catchUp(_ session: Session) { worker.delivery.catchUp(session) }

  func announce(_ changes: ListChanges, to session: Session) { worker.announce(changes, to: [session]) }

  func resourceUpdated(_ cluster: Cluster, _ update: Envelope, _ binding: UpstreamSession?) {
    worker.calls.news.resourceUpdated(cluster, update, binding)
  }

  func end(_ session: Session) { gateway.post(to: Int(session.id.worker)) { $0.end(session) } }

  func endListens(seeing view: CatalogueView) {
    gateway.postToAll { worker in
      worker.endListens { $0.view == view }
      worker.closeSockets(to: view)
    }
  }
}

extension Federation {
  /// That of a gateway.
  convenience init(
    _ gateway: GatewayState, _ worker: Worker, _ clusters: ClusterSet, journal: NameJournal? = nil, logger: Logger
  ) {
    self.init(
      upstream: worker.upstream, deliveries: gateway.deliveries, settings: gateway.currentSettings,
      clients: FederationClients(gateway, worker), clusters: clusters, journal: journal, logger: logger)
  }
}
