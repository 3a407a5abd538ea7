import Catalogue
import Clusters
import ServedCatalogue

/// What upstreams were last known to call their own, by alias, and where that is kept for the next start.
final class ServerNames: @unchecked Sendable {  // touched on the control loop alone
  private(set) var known: [String: KnownNames]
  private let journal: NameJournal?

  init(_ journal: NameJournal?) {
    known = journal?.names ?? [:]
    self.journal = journal
  }

  /// Keeps the names of servers that have answered for the next start, and forgets those of servers that are gone.
  func keep(_ served: ServedCatalogue, _ lists: ServerLists) {
    guard let journal else { return }
    for (place, cluster) in served.clusters.enumerated() where lists[cluster]?.isFresh == true && !cluster.isEmbedded {
      keep(KnownNames(of: place, in: served.catalogue), of: cluster.alias, in: journal)
    }
    for alias in Set(known.keys).subtracting(served.clusters.map(\.alias)) {
      keep(KnownNames(), of: alias, in: journal)
    }
  }

  private func keep(_ names: KnownNames, of alias: String, in journal: NameJournal) {
    guard names != known[alias] ?? KnownNames() else { return }
    known[alias] = names.isEmpty ? nil : names
    journal.keep(names, of: alias)
  }
}
