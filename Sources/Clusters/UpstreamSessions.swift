import Configuration
import MCP
import Synchronization
import Workers

/// The conversations with upstreams that no client session has to itself, as all workers know them.
public final class UpstreamSessions: Sendable {
  /// Whose a conversation is.
  private struct Key: Hashable {
    var cluster: Int
    /// Which of the cluster's: whose calls are spread over several has a conversation with each.
    var endpoint: Int
    /// nil: everybody's, whoever they are.
    var abilities: ClientCapabilities?
    var principal = Principal.anonymous
  }
  public init() {}

  private let table = Mutex<[Key: UpstreamSession]>([:])

  /// Everybody's.
  public func shared(_ cluster: Cluster, at endpoint: Int) -> UpstreamSession {
    session(Key(cluster: cluster.id, endpoint: endpoint, abilities: nil), cluster, .relayable)
  }

  /// Clients that are the same principal and can do the same share one.
  public func session(
    _ cluster: Cluster, at endpoint: Int, _ principal: Principal, abilities: ClientCapabilities
  ) -> UpstreamSession {
    session(
      Key(cluster: cluster.id, endpoint: endpoint, abilities: abilities, principal: principal), cluster, abilities)
  }

  /// That one, if there is one.
  public func known(
    _ cluster: Cluster, at endpoint: Int, _ principal: Principal, abilities: ClientCapabilities
  ) -> UpstreamSession? {
    let key = Key(cluster: cluster.id, endpoint: endpoint, abilities: abilities, principal: principal)
    return table.withLock { $0[key] }
  }

  private func session(_ key: Key, _ cluster: Cluster, _ abilities: ClientCapabilities) -> UpstreamSession {
    table.withLock { table in
      if let known = table[key] { return known }
      let made = UpstreamSession(
        cluster: cluster, endpoint: key.endpoint, owner: nil, abilities: abilities,
        isFollowed: key.abilities == nil && key.endpoint == cluster.leader)
      // Who was subscribed before the server changed still is.
      for (other, former) in table
      where other.abilities == key.abilities && other.principal == key.principal && other.endpoint == key.endpoint
        && former.cluster !== cluster && cluster.takesOver(from: former.cluster)
      {
        made.inherit(from: former)
      }
      table[key] = made
      return made
    }
  }

  /// The conversation with another endpoint of those who share that one.
  public func sibling(of session: UpstreamSession, at endpoint: Int) -> UpstreamSession? {
    guard var key = table.withLock({ $0.first { $0.value === session }?.key }) else { return nil }
    key.endpoint = endpoint
    return self.session(key, session.cluster, session.abilities)
  }

  /// Whether the calls of a client that is this principal and can do that go through a conversation.
  public func isShared(_ session: UpstreamSession, with principal: Principal, abilities: ClientCapabilities) -> Bool {
    let cluster = session.cluster
    guard let endpoint = session.endpoint else { return false }
    let key: Key
    switch cluster.isolation {
    case .session: return false
    case .shared: key = Key(cluster: cluster.id, endpoint: endpoint)
    case .principal: key = Key(cluster: cluster.id, endpoint: endpoint, abilities: abilities, principal: principal)
    }
    return table.withLock { $0[key] === session }
  }

  /// Who shares a conversation.
  public enum Sharing {
    case nobody, everybody
    case those(Principal, ClientCapabilities)
  }

  public func sharing(of session: UpstreamSession) -> Sharing {
    if case .session = session.cluster.isolation { return .nobody }
    guard let key = table.withLock({ $0.first { $0.value === session }?.key }) else { return .nobody }
    return key.abilities.map { .those(key.principal, $0) } ?? .everybody
  }

  /// Takes out those of a cluster that is left: to be ended.
  public func take(of cluster: Cluster) -> [UpstreamSession] {
    table.withLock { table in
      let taken = table.filter { $0.key.cluster == cluster.id }
      for key in taken.keys { table[key] = nil }
      return Array(taken.values)
    }
  }

  /// Takes out those with one endpoint, which has left: to be ended.
  public func take(of cluster: Cluster, at endpoint: Int) -> [UpstreamSession] {
    table.withLock { table in
      let taken = table.filter { $0.key.cluster == cluster.id && $0.key.endpoint == endpoint }
      for key in taken.keys { table[key] = nil }
      return Array(taken.values)
    }
  }

  /// All of them, for the end.
  public var all: [UpstreamSession] { table.withLock { Array($0.values) } }
}
