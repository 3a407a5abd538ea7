import Catalogue
import Clusters
import MCP
import ServedCatalogue
import Translation

/// Whom calls tell what they find out about servers, and ask for what they have to know of them: whoever looks after the
/// servers. It may be spoken to on any thread, and calls `done` on any.
public protocol CallsDelegate: AnyObject, Sendable {
  /// What is known of an upstream holds no more; `done` is called when it has been looked at again.
  func mend(_ cluster: Cluster, _ recovery: Recovery, _ done: @escaping @Sendable () -> Void)
  /// Calls `done` when a server that starts or has just gone away can be called, or is not expected to be soon.
  func awaitReturn(of cluster: Cluster, _ done: @escaping @Sendable () -> Void)
  /// Calls `done` when these lists are as fresh as they can be had in bounded time.
  func freshen(_ wish: ListWish, _ done: @escaping @Sendable () -> Void)
  /// A client of the legacy era looks at these servers. `done` is called once it is known what each of them is in that era;
  /// who calls bounds that.
  func expectLegacy(_ view: CatalogueView, isPatient: Bool, _ done: @escaping @Sendable () -> Void)
  /// A list of an upstream has changed; it is marked as stale already.
  /// - Parameters:
  ///   - own: a client's own conversation, in which it was said.
  ///   - isTold: the upstream has said so; else it may be so.
  func listChanged(_ cluster: Cluster, _ kinds: ListKinds, own: UpstreamSession?, isTold: Bool)
  /// Which resources somebody wants to hear of has changed; `done` is called when the upstream knows.
  func resourceInterestChanged(_ cluster: Cluster, _ done: @escaping @Sendable () -> Void)
  /// A session that sees something else than the others has ended.
  func forgetOverlay(of session: SessionID)
}
