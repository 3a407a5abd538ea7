import Catalogue
import Clusters
import Configuration
import MCP
import ServedCatalogue
import Sessions
import Wire
import Workers

/// Clients of the legacy era that come before it is known what a server is in that era.
public final class FaceWaits {
  private let context: CallsContext
  private let shared: CallsShared
  private let sessions: SessionsShared

  public init(_ context: CallsContext) {
    self.context = context
    shared = context.shared
    sessions = context.sessions
  }

  /// Whether that is so for one of the servers that a client looks at.
  public func isAwaited(_ view: CatalogueView) -> Bool {
    sessions.shelf.clusters.contains { $0.awaitsSecondFace && view.shows($0) }
  }

  /// It is found out, though nobody waits for it.
  public func expect(_ view: CatalogueView) { shared.delegate?.expectLegacy(view, isPatient: false) {} }

  /// Goes on once it is known, or `first_list_wait` after that was begun to be found out; who is patient waits for as long as
  /// a server may take for it.
  public func whenKnown(_ view: CatalogueView, isPatient: Bool = false, _ body: @escaping () -> Void) {
    guard let servers = shared.delegate else { return body() }
    let configuration = context.settings.configuration
    let bound = isPatient ? configuration.limits.probeTimeout : configuration.firstListWait
    servers.expectLegacy(view, isPatient: isPatient, context.later.once(within: bound.milliseconds, body))
  }

  /// The call of a session that another process has opened, or that did not want to wait any longer for its opening. A client
  /// that can be asked things loses more by translation, so it waits for as long as a server may take to be found out.
  public func hold(_ call: Call, for cluster: Cluster, _ envelope: Envelope) {
    call.hasAwaitedFace = true
    let id = call.id
    let request = envelope.message.array
    let canBeAsked = call.session?.abilities.isDisjoint(with: .relayable) == false
    whenKnown(.only(upstream: cluster.number), isPatient: canBeAsked) { [unowned context] in
      context.send(.again(id, request), to: context.index)
    }
  }
}
