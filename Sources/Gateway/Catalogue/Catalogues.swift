import MCP

/// The catalogues of the moment: what clients of each era see. The same object where every server is spoken to in one
/// era only, which it is for clients of the other by translation.
struct Catalogues: Sendable {
  var legacy: ServedCatalogue
  var modern: ServedCatalogue

  init(legacy: ServedCatalogue, modern: ServedCatalogue) {
    self.legacy = legacy
    self.modern = modern
  }

  /// One for both.
  init(_ catalogue: ServedCatalogue) { self.init(legacy: catalogue, modern: catalogue) }

  subscript(era: Era) -> ServedCatalogue { if case .legacy = era { legacy } else { modern } }

  var areOne: Bool { legacy === modern }

  /// Both, or the one that they are.
  var each: [ServedCatalogue] { areOne ? [modern] : [modern, legacy] }

  /// What could not be served as it is, told once.
  var problems: [String] {
    guard !areOne else { return modern.problems }
    let known = Set(modern.problems)
    return modern.problems + legacy.problems.filter { !known.contains($0) }
  }

  /// Keeps the former objects where clients would see no difference.
  func keeping(_ former: Catalogues) -> Catalogues {
    let modern = modern.isSame(as: former.modern) ? former.modern : modern
    guard !areOne else { return Catalogues(modern) }
    return Catalogues(legacy: legacy.isSame(as: former.legacy) ? former.legacy : legacy, modern: modern)
  }

  func areSame(as other: Catalogues) -> Bool { legacy === other.legacy && modern === other.modern }
}

extension Catalogues {
  /// The lists that clients of each era see differently.
  struct Changes: Sendable {
    var legacy = ListChanges()
    var modern = ListChanges()

    /// None.
    init() {}

    init(_ new: Catalogues, since old: Catalogues) {
      legacy = new.legacy.changes(since: old.legacy)
      modern = new.areOne && old.areOne ? legacy : new.modern.changes(since: old.modern)
    }

    /// Of one upstream's lists, for those who see it.
    init(_ kinds: ListKinds, of cluster: Cluster, in catalogues: Catalogues) {
      let changes = ListChanges(kinds, ofUpstream: cluster.number)
      if catalogues.legacy.shows(cluster) { legacy = changes }
      if catalogues.modern.shows(cluster) { modern = changes }
    }

    var isEmpty: Bool { legacy.isEmpty && modern.isEmpty }

    mutating func formUnion(_ other: Changes) {
      legacy.formUnion(other.legacy)
      modern.formUnion(other.modern)
    }

    /// Those of one upstream's lists, as it is seen alone.
    func kinds(of cluster: Cluster, in catalogues: Catalogues) -> ListKinds {
      let view = CatalogueView.only(upstream: cluster.number)
      var kinds: ListKinds = []
      if catalogues.legacy.shows(cluster) { kinds.formUnion(legacy[view]) }
      if catalogues.modern.shows(cluster) { kinds.formUnion(modern[view]) }
      return kinds
    }
  }
}
