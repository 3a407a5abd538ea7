import MCP
import Wire

/// Clients of the legacy era that come before it is known what a server is in that era.
extension Worker {
  /// Whether that is so for one of the servers that a client looks at.
  func awaitsFaces(_ view: CatalogueView) -> Bool {
    gateway.clusters.contains { $0.awaitsSecondFace && view.shows($0) }
  }

  /// Goes on once it is known, or `first_list_wait` after that was begun to be found out; who is patient waits for as long as
  /// a server may take for it.
  func whenFacesAreKnown(
    _ view: CatalogueView, isPatient: Bool = false, _ body: @escaping @Sendable (Worker) -> Void
  ) {
    guard let control else { return body(self) }
    let gathering = Gathering(1)
    let (state, home) = (gateway, index)
    control.expectLegacy(view, isPatient: isPatient) {
      state.post(to: home) { if gathering.arrive() { body($0) } }
    }
    let configuration = settings.configuration
    let bound = isPatient ? configuration.limits.probeTimeout : configuration.firstListWait
    after(milliseconds: bound.milliseconds) { [unowned self] in
      if gathering.expire() { body(self) }
    }
  }

  /// The call of a session that another process has opened, or that did not want to wait any longer for its opening. A client
  /// that can be asked things loses more by translation, so it waits for as long as a server may take to be found out.
  func awaitFace(of cluster: Cluster, _ call: Call, _ envelope: Envelope) {
    call.hasAwaitedFace = true
    let id = call.id
    let request = envelope.message.array
    let canBeAsked = call.session?.abilities.isDisjoint(with: .relayable) == false
    whenFacesAreKnown(.only(upstream: cluster.number), isPatient: canBeAsked) { $0.again(id, request) }
  }
}
