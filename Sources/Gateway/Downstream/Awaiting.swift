import MCP
import Wire

/// Clients of the legacy era that come before it is known what a server is in that era.
extension Worker {
  /// Whether that is so for one of the servers that a client looks at.
  func awaitsFaces(_ view: CatalogueView) -> Bool {
    gateway.clusters.contains { $0.awaitsSecondFace && view.shows($0) }
  }

  /// Goes on once it is known, or after `first_list_wait`.
  func whenFacesAreKnown(_ view: CatalogueView, _ body: @escaping @Sendable (Worker) -> Void) {
    guard let control else { return body(self) }
    let gathering = Gathering(1)
    let (state, home) = (gateway, index)
    control.expectLegacy(view) {
      state.post(to: home) { if gathering.arrive() { body($0) } }
    }
    after(milliseconds: settings.configuration.firstListWait.milliseconds) { [unowned self] in
      if gathering.expire() { body(self) }
    }
  }

  /// The call of a session that another process has opened: its client was never told what this one knows by now.
  func awaitFace(of cluster: Cluster, _ exchange: Exchange, _ envelope: Envelope) {
    exchange.hasAwaitedFace = true
    let id = exchange.id
    uncount(id)
    let request = envelope.message.array
    whenFacesAreKnown(.only(upstream: cluster.number)) { $0.again(id, request) }
  }
}
