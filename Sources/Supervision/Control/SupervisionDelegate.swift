import Clusters
import MCP
import ServedCatalogue

/// What the parts of the control loop leave to `Federation`, which is made of them all.
public protocol SupervisionDelegate: AnyObject {
  func supervise(_ cluster: Cluster)
  /// A cluster serves no more.
  func retire(_ cluster: Cluster)
  /// A cluster was looked at: if it is to take another's place, it may be time.
  func promote(_ cluster: Cluster)
  /// Something that is served has changed.
  func merge()
  /// The same, with other changes that are about to come.
  func mergeSoon()
  /// A merge is due.
  var isMergeDue: Bool { get }
  /// The same, where who calls tells clients of what is different for them.
  func mergeUntold() -> Catalogues.Changes
  /// An upstream has answered or failed to.
  func looked(at cluster: Cluster)
  /// A list of an upstream has changed, or may have while it could not tell.
  func listsChanged(_ cluster: Cluster, _ kinds: ListKinds, isTold: Bool)
  /// An endpoint of an upstream does not answer any more: what clients have settled there is settled elsewhere.
  func endpointLost(of cluster: Cluster)
  /// Which resources of an upstream somebody wants to hear of has changed.
  func interestChanged(_ cluster: Cluster)
}
