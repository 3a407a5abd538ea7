import Catalogue
import Clusters
import MCP
import Routing
import ServedCatalogue
import Supervision

/// Makes the catalogues of the moment of what upstreams list.
final class CatalogueMerger: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let clusters: ClusterSet
  private let lists: ServerLists
  private let faces: SecondFaces
  private let names: ServerNames
  /// Resources that two servers claim, as they were told last.
  private var conflicts: [ResourceConflict] = []

  init(
    _ loop: ControlLoop, _ clusters: ClusterSet, _ lists: ServerLists, _ faces: SecondFaces, _ names: ServerNames
  ) {
    self.loop = loop
    self.clusters = clusters
    self.lists = lists
    self.faces = faces
    self.names = names
  }

  /// Serves what there is now. Gives what was served before, and what is.
  func merge() -> (old: Catalogues, new: Catalogues) {
    let old = loop.shelf.catalogues
    let new = merged().keeping(old)
    var told = Set(old.problems)
    for problem in new.problems where told.insert(problem).inserted { loop.logger.warning("\(problem)") }
    if !new.areSame(as: old) {
      loop.shelf.publish(new)
      tellConflicts(of: new)
      names.keep(new.modern, lists)
    }
    lists.published()
    return (old, new)
  }

  private func merged() -> Catalogues {
    let modern = merged(lists.all, .modern)
    guard clusters.served.contains(where: faces.isOpen) else { return Catalogues(modern) }
    return Catalogues(legacy: merged(lists.all, .legacy), modern: modern)
  }

  /// The catalogue that lists, by the id of their cluster, make together for clients of an era.
  /// - Parameter lookedAt: when those of a client's own were looked at, by the same.
  func merged(_ lists: [Int: UpstreamLists], _ era: Era, lookedAt: [Int: UInt64] = [:]) -> ServedCatalogue {
    let called = era == .legacy ? faces.legacyClusters : clusters.served
    let reserved = clusters.served.map { reservedNames(of: $0, for: era, lists) }
    let promising = era == .legacy ? Set(clusters.served.filter(faces.isPromised).map(\.number)) : []
    return ServedCatalogue.merge(
      called.map { lists[$0.id] }, called, loop.configuration, known: names.known, reserved: reserved,
      promising: promising, lookedAt: lookedAt)
  }

  /// What a server calls its own in the other era. Both catalogues keep the names of both eras for it, so that a name means
  /// the same to all clients; as long as one era is not known, what was known of it last.
  private func reservedNames(of cluster: Cluster, for era: Era, _ lists: [Int: UpstreamLists]) -> KnownNames {
    guard faces.mayBe(of: cluster) else { return KnownNames() }
    let other = era == .legacy ? cluster : faces.begun(of: cluster)
    if let other, let listed = lists[other.id] { return KnownNames(of: listed) }
    return names.known[cluster.alias] ?? KnownNames()
  }

  /// Each is told once, for as long as it lasts.
  private func tellConflicts(of served: Catalogues) {
    var found: [ResourceConflict] = []
    for catalogue in served.each { found += catalogue.routes.conflicts().filter { !found.contains($0) } }
    for conflict in found where !conflicts.contains(conflict) { loop.logger.warning("\(conflict)") }
    conflicts = found
    loop.shelf.countConflicts(served.problems.count + found.count)
  }
}
