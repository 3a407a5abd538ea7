import Catalogue
import Clusters
import ServedCatalogue
import Sessions
import Wire

/// What the control loop leaves to those who have clients. It is spoken to on the control loop.
public protocol FederationDelegate: AnyObject {
  /// A client is told of what is on its way to it, before it sees something else.
  func catchUp(_ session: Session)
  /// A client sees other lists than before.
  func announce(_ changes: ListChanges, to session: Session)
  /// An upstream has told that a resource has changed, or may have changed it unheard.
  /// - Parameter binding: the conversation in which it was said; nil: the gateway's own listen.
  func resourceUpdated(_ cluster: Cluster, _ update: Envelope, _ binding: UpstreamSession?)
  /// What a client looks at is gone.
  func end(_ session: Session)
  /// So it is for clients without a session.
  func endListens(seeing view: CatalogueView)
}
