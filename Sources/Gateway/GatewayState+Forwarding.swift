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
  /// Calls `done` on the control loop once each of these loops has gone through what its sockets had ready now.
  func pass(_ loops: Set<Int>, _ done: @escaping @Sendable () -> Void) {
    guard !loops.isEmpty else { return done() }
    let gathering = Gathering(loops.count)
    for loop in loops { pass(loop, turns: 2) { if gathering.arrive() { done() } } }
  }

  /// A message that a loop sends itself comes with what is ready by then, and before or after it; the one after that
  /// comes after all of it.
  private func pass(_ loop: Int, turns: Int, _ done: @escaping @Sendable () -> Void) {
    post(to: loop) { _ in
      if turns > 0 { self.pass(loop, turns: turns - 1, done) } else { done() }
    }
  }
}
