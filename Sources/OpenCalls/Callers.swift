import Clusters
import Configuration
import Delivery
import Links
import MCP
import Reactor
import Routing
import Sessions
import Wire
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
    // Who asks without a session has one conversation with each endpoint. What sessions share keeps to one.
    let place =
      call.session == nil ? endpoint(for: call, of: cluster) : cluster.home(of: principal.routingKey, now: now)
    return sessions.upstream.sessions.session(
      cluster, at: place, principal, abilities: call.session?.abilities ?? [])
  }

  /// The endpoint that a call goes to, of those of its server.
  public func endpoint(for call: Call, of cluster: Cluster) -> Int {
    guard cluster.hasSeveralEndpoints else { return 0 }
    return requests.choose(cluster, call.routingKey ?? usualKey(of: call), for: call.request)
  }

  /// What keeps a call at one endpoint with others, as `routing.key` of its server has it.
  /// - Parameter headers: those that servers go by, of the client's request.
  public func routingKey(
    of call: Call, _ cluster: Cluster, _ envelope: Envelope, _ headers: [RoutingHeader]
  ) -> RoutingKey {
    let found: RoutingKey? =
      switch cluster.keySource {
      case .session: nil
      case .principal: principal(of: call).routingKey
      case .client: party(of: call)?.routingKey
      case .header(let name): headers.first { $0.name == name }?.key
      case .argument(let name): Self.argument(name, of: envelope)
      }
    return found ?? usualKey(of: call)
  }

  /// Its session, or whoever asks without one.
  private func usualKey(of call: Call) -> RoutingKey {
    call.session?.id.routingKey ?? party(of: call)?.routingKey ?? principal(of: call).routingKey
  }

  private static func argument(_ name: String, of envelope: Envelope) -> RoutingKey? {
    guard let arguments = envelope.value(Param.arguments), JSON.kind(of: arguments) == .object else { return nil }
    let key = Array(name.utf8)
    var items = JSON.items(of: arguments)
    while let item = items.next() {
      if JSON.equals(arguments[item.key], key.rawBytes) { return RoutingKey(arguments[item.value]) }
    }
    return nil
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
