import MCP

/// Subscriptions of sessions to resources of a server that is spoken to otherwise than when they were made: it was changed,
/// or has a face of its own for clients of the legacy era by now, or not any more.
final class SubscriptionMover: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop

  init(_ loop: ControlLoop) { self.loop = loop }

  func move(from old: [Cluster], to new: [Cluster]) {
    for cluster in new {
      guard let former = old.first(where: { $0.number == cluster.number }), former !== cluster,
        let profile = cluster.profile, profile.offer.capabilities.contains(.resourcesSubscribe)
      else { continue }
      for session in loop.sessions.table.all where session.view.shows(cluster) {
        move(session, to: cluster, profile.revision.era)
      }
    }
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
    if own.contains(where: { $0.value.isCounted != isCounted }) {
      loop.worker.tellUpstreams(of: own.values.map(\.interest)) { _ in }
    }
    guard !isCounted else { return }
    let binding = loop.sessions.conversation(with: cluster, of: session)
    for (name, subscription) in own {
      let uri = subscription.interest.uri
      binding.subscribe(uri, sessionID, isMarked: name != uri)
    }
    let uris = own.values.map(\.interest.uri)
    loop.upstreams.mail.send(.bringSubscriptions(binding, uris), to: Int(sessionID.worker))
  }
}
