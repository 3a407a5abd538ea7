import MCP

/// Lists that a client asks for, and what of them may be too old.
struct ListWish: Sendable {
  let kind: ListKind
  /// The upstreams whose lists it sees.
  var clusters: [Cluster] = []
  /// The client's own conversations with some of them, which may show it other lists.
  var own: [UpstreamSession] = []
}

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
