import Calls
import Catalogue
import Clusters
import Delivery
import Federation
import Logging
import MCP
import OpenCalls
import Reactor
import ServedCatalogue
import Sessions
import Supervision
import Wire
import Workers

/// What the control loop has workers do with their clients.
final class FederationClients: FederationDelegate {
  private let deliveries: DeliveryShared
  // Of the control loop.
  private let delivery: Delivery
  private let news: UpstreamNews

  init(_ deliveries: DeliveryShared, _ delivery: Delivery, _ news: UpstreamNews) {
    self.deliveries = deliveries
    self.delivery = delivery
    self.news = news
  }

  func catchUp(_ session: Session) { delivery.catchUp(session) }

  func announce(_ changes: ListChanges, to session: Session) { delivery.announce(to: [session]) { changes[$0.view] } }

  func resourceUpdated(_ cluster: Cluster, _ update: Envelope, _ binding: UpstreamSession?) {
    news.resourceUpdated(cluster, update, binding)
  }

  func end(_ session: Session) { deliveries.mail.send(.end(session) {}, to: Int(session.id.worker)) }

  func endListens(seeing view: CatalogueView) { deliveries.mail.sendToWorkers(.serverGone(view)) }
}

extension Federation {
  /// That of a gateway.
  convenience init(
    _ gateway: GatewayState, _ worker: Worker, _ clusters: ClusterSet, journal: NameJournal? = nil,
    lookup: NameLookup = .system, logger: Logger
  ) {
    self.init(
      upstream: worker.upstream, deliveries: gateway.deliveries, settings: gateway.currentSettings,
      clients: FederationClients(gateway.deliveries, worker.delivery, worker.calls.news), clusters: clusters,
      journal: journal, lookup: lookup, logger: logger)
  }
}
