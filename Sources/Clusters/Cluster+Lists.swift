import MCP

extension Cluster.Profile {
  /// Whether it offers such a list.
  public func offers(_ kind: ListKind) -> Bool { offer.capabilities.isSuperset(of: kind.method.required) }

  /// Whether it declares that it tells when that list changes.
  public func announces(_ kind: ListKind) -> Bool {
    ListKinds(announcedBy: offer.capabilities).contains(ListKinds(kind))
  }
}
