import MCP

extension CatalogueView {
  func shows(_ cluster: Cluster) -> Bool {
    switch self {
    case .all: true
    case .only(let number): number == cluster.number
    }
  }
}
