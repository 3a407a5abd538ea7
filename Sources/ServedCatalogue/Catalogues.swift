import Catalogue
import Clusters
import MCP

/// The catalogues of the moment: what clients of each era see. The same object where every server is spoken to in one
/// era only, which it is for clients of the other by translation.
public struct Catalogues: Sendable {
  public var legacy: ServedCatalogue
  public var modern: ServedCatalogue

  public init(legacy: ServedCatalogue, modern: ServedCatalogue) {
    self.legacy = legacy
    self.modern = modern
  }

  /// One for both.
  public init(_ catalogue: ServedCatalogue) { self.init(legacy: catalogue, modern: catalogue) }

  subscript(era: Era) -> ServedCatalogue { if case .legacy = era { legacy } else { modern } }

  var areOne: Bool { legacy === modern }

  /// Both, or the one that they are.
  public var each: [ServedCatalogue] { areOne ? [modern] : [modern, legacy] }

  /// What could not be served as it is, told once.
  public var problems: [String] {
    guard !areOne else { return modern.problems }
    let known = Set(modern.problems)
    return modern.problems + legacy.problems.filter { !known.contains($0) }
  }

  /// Keeps the former objects where clients would see no difference.
  public func keeping(_ former: Catalogues) -> Catalogues {
    let modern = modern.isSame(as: former.modern) ? former.modern : modern
    guard !areOne else { return Catalogues(modern) }
    return Catalogues(legacy: legacy.isSame(as: former.legacy) ? former.legacy : legacy, modern: modern)
  }

  public func areSame(as other: Catalogues) -> Bool { legacy === other.legacy && modern === other.modern }
}

extension Catalogues {
  /// The lists that clients of each era see differently.
  public struct Changes: Sendable {
    public var legacy = ListChanges()
    public var modern = ListChanges()

    /// None.
    public init() {}

    public init(_ new: Catalogues, since old: Catalogues) {
      legacy = new.legacy.changes(since: old.legacy)
      modern = new.areOne && old.areOne ? legacy : new.modern.changes(since: old.modern)
    }

    /// Of one upstream's lists, for those who see it.
    public init(_ kinds: ListKinds, of cluster: Cluster, in catalogues: Catalogues) {
      let changes = ListChanges(kinds, ofUpstream: cluster.number)
      if catalogues.legacy.shows(cluster) { legacy = changes }
      if catalogues.modern.shows(cluster) { modern = changes }
    }

    public var isEmpty: Bool { legacy.isEmpty && modern.isEmpty }

    public mutating func formUnion(_ other: Changes) {
      legacy.formUnion(other.legacy)
      modern.formUnion(other.modern)
    }

    /// Those of one upstream's lists, as it is seen alone.
    public func kinds(of cluster: Cluster, in catalogues: Catalogues) -> ListKinds {
      let view = CatalogueView.only(upstream: cluster.number)
      var kinds: ListKinds = []
      if catalogues.legacy.shows(cluster) { kinds.formUnion(legacy[view]) }
      if catalogues.modern.shows(cluster) { kinds.formUnion(modern[view]) }
      return kinds
    }
  }
}
