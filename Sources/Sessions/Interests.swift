import MCP
import Synchronization

/// The resources that sessions and listens have named, each counted, because the upstream is asked to tell of it once
/// and left alone when the last of them has gone.
///
/// Whoever has an upstream told follows it, and gets what has changed since it last asked: what a listen brings costs
/// what it brings, not what all the others have named.
public final class Interests: Sendable {
  /// The upstream's own URIs that are wanted now and were not before, and the other way round.
  public struct Changes {
    public var wanted: [[UInt8]] = []
    public var unwanted: [[UInt8]] = []

    public init(wanted: [[UInt8]] = [], unwanted: [[UInt8]] = []) {
      self.wanted = wanted
      self.unwanted = unwanted
    }

    public var isEmpty: Bool { wanted.isEmpty && unwanted.isEmpty }
  }

  private struct Upstream {
    var counts: [[UInt8]: Int] = [:]
    /// By the id of the cluster that follows: in what its view differs from `counts`.
    var differences: [Int: Set<[UInt8]>] = [:]
    /// What the upstream does not tell of, though asked.
    var refused: Set<[UInt8]> = []

    mutating func add(_ uri: [UInt8]) {
      counts[uri, default: 0] += 1
      if counts[uri] == 1 { changed(uri) }
    }

    mutating func remove(_ uri: [UInt8]) {
      guard let count = counts[uri] else { return }
      counts[uri] = count > 1 ? count - 1 : nil
      guard count == 1 else { return }
      refused.remove(uri)
      changed(uri)
    }

    private mutating func changed(_ uri: [UInt8]) {
      // What came and went meanwhile is no difference.
      for follower in Array(differences.keys) where differences[follower]?.remove(uri) == nil {
        differences[follower]?.insert(uri)
      }
    }

    var isIdle: Bool { counts.isEmpty && differences.isEmpty }
  }

  private let upstreams = Mutex<[Int: Upstream]>([:])
  /// The sessions among them.
  private let sessions = Mutex(Audience<SessionID>())

  /// What a session subscribed to by that name is another subscription now, or none. It may know a resource by several
  /// names: `all` is what it has.
  public func replace(
    _ before: Subscription?, by after: Subscription?, named name: [UInt8], of session: SessionID,
    among all: [[UInt8]: Subscription]
  ) {
    if let after, after.isCounted {
      add([after.interest])
      sessions.withLock { $0.add(session, after.interest, as: name) }
    }
    guard let before, before.isCounted else { return }
    remove([before.interest])
    let other = all.first { $0.value.isCounted && $0.value.interest == before.interest }?.key
    sessions.withLock { sessions in
      sessions.remove(session, before.interest)
      if let other { sessions.add(session, before.interest, as: other) }
    }
  }

  public func dismiss(_ session: SessionID, _ interests: some Sequence<ResourceInterest>) {
    sessions.withLock { sessions in
      for interest in interests { sessions.remove(session, interest) }
    }
  }

  /// The sessions that hear of a change of this resource.
  public func sessions(hearing upstream: Int, _ uri: [UInt8]) -> [Audience<SessionID>.Group] {
    sessions.withLock { $0.groups(of: upstream, uri) }
  }

  public func add(_ interests: some Sequence<ResourceInterest>) {
    upstreams.withLock { upstreams in
      for interest in interests { upstreams[interest.upstream, default: Upstream()].add(interest.uri) }
    }
  }

  public func remove(_ interests: some Sequence<ResourceInterest>) {
    upstreams.withLock { upstreams in
      for interest in interests {
        upstreams[interest.upstream]?.remove(interest.uri)
        if upstreams[interest.upstream]?.isIdle == true { upstreams[interest.upstream] = nil }
      }
    }
  }

  /// Whether the gateway's own conversation with the upstream should bring news of it.
  func isWanted(_ interest: ResourceInterest) -> Bool {
    upstreams.withLock { $0[interest.upstream]?.counts[interest.uri] != nil }
  }

  /// All URIs that the gateway's own conversation with this upstream should bring news of.
  public func wanted(of upstream: Int) -> [[UInt8]] {
    upstreams.withLock { upstreams in upstreams[upstream].map { Array($0.counts.keys) } ?? [] }
  }

  // MARK: Following

  /// Begins to follow: everything that is wanted of the upstream now.
  public func follow(_ upstream: Int, as cluster: Int) -> Changes {
    upstreams.withLock { upstreams in
      upstreams[upstream, default: Upstream()].differences[cluster] = []
      upstreams[upstream]?.refused = []
      return Changes(wanted: upstreams[upstream].map { Array($0.counts.keys) } ?? [])
    }
  }

  public func unfollow(_ upstream: Int, as cluster: Int) {
    upstreams.withLock { upstreams in
      upstreams[upstream]?.differences[cluster] = nil
      if upstreams[upstream]?.isIdle == true { upstreams[upstream] = nil }
    }
  }

  /// What has changed since the follower last asked.
  public func takeChanges(of upstream: Int, as cluster: Int) -> Changes {
    upstreams.withLock { upstreams in
      var changes = Changes()
      guard let differences = upstreams[upstream]?.differences[cluster], !differences.isEmpty else { return changes }
      upstreams[upstream]?.differences[cluster] = []
      for uri in differences {
        if upstreams[upstream]?.counts[uri] != nil { changes.wanted.append(uri) } else { changes.unwanted.append(uri) }
      }
      return changes
    }
  }

  /// The upstream, asked for each of these alone, has refused.
  public func refuse(_ upstream: Int, _ uris: Set<[UInt8]>) {
    upstreams.withLock { upstreams in
      guard let counts = upstreams[upstream]?.counts else { return }
      upstreams[upstream]?.refused = uris.filter { counts[$0] != nil }
    }
  }

  public func isRefused(_ interest: ResourceInterest) -> Bool {
    upstreams.withLock { $0[interest.upstream]?.refused.contains(interest.uri) == true }
  }

  /// Those of them that are not told of.
  public func refused(among subscriptions: [[UInt8]: Subscription]) -> [[UInt8]: Subscription] {
    upstreams.withLock { upstreams in
      guard upstreams.contains(where: { !$0.value.refused.isEmpty }) else { return [:] }
      return subscriptions.filter { upstreams[$1.interest.upstream]?.refused.contains($1.interest.uri) == true }
    }
  }
}
