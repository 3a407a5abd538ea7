import Catalogue
import MCP

/// The lists that clients see differently, by what they look at.
public struct ListChanges: Sendable {
  private var views: [CatalogueView: ListKinds]

  public var isEmpty: Bool { views.values.allSatisfy(\.isEmpty) }

  public subscript(view: CatalogueView) -> ListKinds { views[view] ?? [] }

  /// None.
  public init() { views = [:] }

  /// Of one upstream's lists, where all are seen and where it is seen alone.
  public init(_ kinds: ListKinds, ofUpstream number: Int) { views = [.all: kinds, .only(upstream: number): kinds] }

  init(_ views: [CatalogueView: ListKinds]) { self.views = views }

  public mutating func formUnion(_ other: ListChanges) { views.merge(other.views) { $0.union($1) } }
}
