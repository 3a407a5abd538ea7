import Clusters
import Links
import MCP
import ServedCatalogue
import Sessions
import Supervision
import UpstreamClient
import Workers

/// Subscriptions of sessions to resources of a server that is spoken to otherwise than when they were made: it was changed,
/// or has a face of its own for clients of the legacy era by now, or not any more. All sessions are looked at for that, a few in
/// each turn of the loop.
public final class SubscriptionMover: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  public weak var delegate: (any SupervisionDelegate)?
  /// Where those to a server go, by its number, and who is still to be looked at for that.
  private var targets: [Int: Cluster] = [:]
  private var walk: SessionWalk?

  init(_ loop: ControlLoop) { self.loop = loop }

  /// What was settled with an endpoint of a cluster that is gone is settled with another.
  public func carryOver(_ cluster: Cluster) {
    guard let profile = cluster.profile, profile.revision.era == .legacy else { return }
    add([cluster])
  }

  public func move(from old: [Cluster], to new: [Cluster]) {
    add(
      new.filter { cluster in
        old.first { $0.number == cluster.number }.map { $0 !== cluster } == true
      })
  }

  private func add(_ changed: [Cluster]) {
    var isNew = false
    for cluster in changed {
      targets[cluster.number] = nil
      guard cluster.profile?.offer.capabilities.contains(.resourcesSubscribe) == true else { continue }
      targets[cluster.number] = cluster
      isNew = true
    }
    guard isNew else { return }
    let isWalking = walk != nil
    // Whoever was looked at before was not for all of these.
    walk = SessionWalk(over: loop.sessions.table)
    if !isWalking { goOn() }
  }

  private func goOn() {
    for session in walk?.next() ?? [] {
      for cluster in targets.values where session.view.shows(cluster) {
        if let era = cluster.profile?.revision.era { move(session, to: cluster, era) }
      }
    }
    guard walk?.isOver == false, !targets.isEmpty else {
      walk = nil
      targets = [:]
      return
    }
    loop.after(milliseconds: 1) { [self] in goOn() }
  }

  private func move(_ session: Session, to cluster: Cluster, _ era: Era) {
    let (interests, sessionID, number) = (loop.sessions.interests, session.id, cluster.number)
    let isCounted = era == .modern
    let own = session.withState { state -> [[UInt8]: Subscription] in
      let own = state.subscriptions.filter { $0.value.interest.upstream == number }
      for (name, before) in own where before.isCounted != isCounted {
        let after = Subscription(interest: before.interest, isCounted: isCounted)
        state.subscriptions[name] = after
        interests.replace(before, by: after, named: name, of: sessionID, among: state.subscriptions)
      }
      return own
    }
    guard !own.isEmpty else { return }
    if own.contains(where: { $0.value.isCounted != isCounted }), let first = loop.shelf.cluster(numbered: number),
      case .ready = first.health, !first.isEmbedded
    {
      delegate?.interestChanged(first)
    }
    guard !isCounted else { return }
    let binding = loop.sessions.conversation(with: cluster, of: session)
    for (name, subscription) in own {
      let uri = subscription.interest.uri
      binding.subscribe(uri, sessionID, isMarked: name != uri)
    }
    let uris = own.values.map(\.interest.uri)
    loop.upstream.shared.mail.send(.bringSubscriptions(binding, uris), to: Int(sessionID.worker))
  }
}
