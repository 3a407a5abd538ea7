import Clusters
import Configuration
import Delivery
import Links
import Reactor
import Sessions
import Workers

/// Whose a call is.
extension CallsContext {
  public func principal(of call: Call) -> Principal {
    if let session = call.session { return session.principal }
    return call.reply.connection.isNone ? .anonymous : worker.principal(of: call.reply.connection)
  }

  /// nil for the gateway's own.
  public func party(of call: Call) -> Party? {
    if let session = call.session { return session.party }
    return call.reply.connection.isNone ? nil : worker.party(of: call.reply.connection)
  }

  /// The conversation with an upstream that a call belongs to.
  public func conversation(for call: Call, _ cluster: Cluster) -> UpstreamSession {
    switch cluster.isolation {
    case .shared: return sessions.upstream.sessions.shared(cluster, at: endpoint(for: call, of: cluster))
    case .session:
      if let own = call.withSession({ $0.upstream(cluster) }) { return own }
    case .principal: break
    }
    let principal = principal(of: call)
    return sessions.upstream.sessions.session(
      cluster, at: cluster.home(of: principal.routingKey, now: now), principal, abilities: call.session?.abilities ?? []
    )
  }

  /// The endpoint that a call goes to, of those of its server.
  public func endpoint(for call: Call, of cluster: Cluster) -> Int {
    guard cluster.hasSeveralEndpoints else { return 0 }
    return requests.choose(cluster, call.session?.id.routingKey ?? principal(of: call).routingKey)
  }

  /// The one that a client has: the session, or whoever asks without one.
  public func conversation(with cluster: Cluster, for session: Session?, _ principal: Principal) -> UpstreamSession {
    if let session { return sessions.conversation(with: cluster, of: session) }
    let conversations = sessions.upstream.sessions
    let home = cluster.home(of: principal.routingKey, now: now)
    if case .shared = cluster.isolation { return conversations.shared(cluster, at: home) }
    return conversations.session(cluster, at: home, principal, abilities: [])
  }
}
