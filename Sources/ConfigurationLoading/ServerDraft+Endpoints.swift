import Configuration
import ConfigurationSyntax

extension ServerDraft {
  /// Points that a ring may have: each worker walks it for a call, and it is made anew when an endpoint comes or goes.
  static let longestRing = 1_000_000

  /// Whether what is said of its endpoints goes together with how many there are.
  func checkEndpoints(of server: GatewayConfiguration.Server, into reading: inout Reading) {
    let weights: [Int]
    switch server.kind {
    case .command: weights = Array(repeating: 1, count: server.replicas)
    case .url(let remote):
      weights = remote.endpoints.map(\.weight)
    }
    checkRing(server.routing, weights, into: &reading)
    checkSharing(of: server, into: &reading)
    let key = "servers.\(alias).routing.retry.hedge_reads"
    if weights.count == 1, server.routing.retry.hedgeReads, reading.settings[key] != nil {
      reading.report(
        .warning, at: places["routing"] ?? position,
        "`hedge_reads` of `\(alias)` has no effect: there is no second endpoint", expected: "`endpoints` or `replicas`")
    }
  }

  private func checkRing(_ routing: GatewayConfiguration.Routing, _ weights: [Int], into reading: inout Reading) {
    let points = weights.reduce(0, +) * routing.virtualNodes
    guard routing.algorithm == .consistentHash, points > Self.longestRing else { return }
    reading.report(
      at: places["routing"] ?? places["endpoints"] ?? places["replicas"] ?? position,
      "the ring of `\(alias)` would have \(points) points: \(routing.virtualNodes) `vnodes` for each unit of weight, "
        + "of which there are \(weights.reduce(0, +))",
      expected: "at most \(Self.longestRing)")
  }

  /// What is said of a child that several share, where none do.
  private func checkSharing(of server: GatewayConfiguration.Server, into reading: inout Reading) {
    if server.isolation == .session, server.replicas > 1 {
      reading.report(
        .warning, at: places["replicas"] ?? position,
        "`replicas` of `\(alias)` has no effect: with `isolation: session` each session has a child of its own")
    }
    if server.isolation != .shared, server.idleStop != nil {
      reading.report(
        .warning, at: places["idle_stop"] ?? position,
        "`idle_stop` of `\(alias)` has no effect: with `isolation: \(server.isolation.rawValue)` a child ends with those "
          + "that it is for")
    }
  }
}
