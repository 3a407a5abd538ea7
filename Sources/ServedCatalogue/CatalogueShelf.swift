import Clusters
import MCP
import Synchronization

/// Holds the catalogues of the moment for all loops. Only the control loop puts others there.
public final class CatalogueShelf: Sendable {
  private let snapshot: Mutex<Catalogues>
  private let conflicts = Atomic<Int>(0)
  private let word = Atomic<UInt32>(0)

  public init(_ catalogues: Catalogues) { snapshot = Mutex(catalogues) }

  public var catalogues: Catalogues { snapshot.withLock { $0 } }

  /// What all clients of an era see.
  public func catalogue(of era: Era) -> ServedCatalogue { snapshot.withLock { $0[era] } }

  /// The upstreams that are served now, in the order of configuration.
  public var clusters: [Cluster] { catalogue(of: .modern).clusters }

  public func cluster(numbered number: Int) -> Cluster? { clusters.first { $0.number == number } }

  /// Another one whenever there are others.
  var version: UInt32 { word.load(ordering: .acquiring) }

  public func publish(_ catalogues: Catalogues) {
    snapshot.withLock { $0 = catalogues }
    word.wrappingAdd(1, ordering: .releasing)
  }

  /// Entries of lists that could not be served as they are, and resources that two servers claim.
  public var conflictCount: Int { conflicts.load(ordering: .relaxed) }

  public func countConflicts(_ count: Int) { conflicts.store(count, ordering: .relaxed) }
}
