/// What the parts of the control loop leave to `Federation`, which is made of them all.
protocol FederationDelegate: AnyObject {
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
}
