import Configuration
import ConfigurationSyntax

extension ServerDraft {
  /// Whether what is said of its endpoints goes together with how many there are.
  func checkEndpoints(of server: GatewayConfiguration.Server, into reading: inout Reading) {
    let weights: [Int]
    switch server.kind {
    case .command: weights = Array(repeating: 1, count: server.replicas)
    case .url(let remote):
      weights = remote.endpoints.map(\.weight)
    }
    checkSharing(of: server, into: &reading)
    let key = "servers.\(alias).routing.retry.hedge_reads"
    if weights.count == 1, server.routing.retry.hedgeReads, reading.settings[key] != nil {
      reading.report(
        .warning, at: places["routing"] ?? position,
        "`hedge_reads` of `\(alias)` has no effect: there is no second endpoint", expected: "`endpoints` or `replicas`")
    }
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
