import Catalogue
import Clusters

extension CatalogueView {
  public func shows(_ cluster: Cluster) -> Bool {
    switch self {
    case .all: true
    case .only(let number): number == cluster.number
    }
  }
}
