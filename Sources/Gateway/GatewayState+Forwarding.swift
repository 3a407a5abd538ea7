import MCP

// Catalogue
extension GatewayState {
  var catalogues: Catalogues { shelf.catalogues }
  func catalogue(of era: Era) -> ServedCatalogue { shelf.catalogue(of: era) }
  var clusters: [Cluster] { shelf.clusters }
  func cluster(numbered number: Int) -> Cluster? { shelf.cluster(numbered: number) }
  func publish(_ catalogues: Catalogues) { shelf.publish(catalogues) }
  func countConflicts(_ count: Int) { shelf.countConflicts(count) }
}

// Workers
extension GatewayState {
  func pass(_ loops: Set<Int>, _ done: @escaping @Sendable () -> Void) { group.pass(loops, done) }
}

// UpstreamClient
extension GatewayState {
  var identityObject: [UInt8] { upstream.identityObject }
  var requestMeta: RequestMeta { upstream.meta }
  func requestMeta(_ level: LogLevel?) -> RequestMeta { upstream.requestMeta(level) }
}
