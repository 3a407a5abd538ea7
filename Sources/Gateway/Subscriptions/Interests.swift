import MCP
import Routing
import Synchronization
import Wire

/// A resource that somebody wants to hear of: its upstream's number, and the URI by which that upstream knows it.
struct ResourceInterest: Hashable, Sendable {
  var upstream: Int
  var uri: [UInt8]

  /// The interest in a resource that a client named, given its route.
  init(_ named: RawSpan, _ route: Route, _ routes: Routes) {
    upstream = routes.catalogue.upstreams[route.upstream].number
    switch route.rename {
    case .keep:
      uri = named.array
    case .listed:
      uri = route.entry.map { routes.entry(.resources, $0).own } ?? named.array
    case .cut(let slice):
      var plain = ByteBuffer(capacity: named.byteCount)
      plain.append(named, cutting: slice)
      uri = plain.bytes.array
    }
  }

  init(upstream: Int, uri: [UInt8]) {
    self.upstream = upstream
    self.uri = uri
  }
}

/// The resources that sessions and listens have named, each counted, because the upstream is asked to tell of it once
/// and left alone when the last of them has gone.
final class Interests: Sendable {
  private let counts = Mutex<[ResourceInterest: Int]>([:])
  /// The sessions among them.
  private let sessions = Mutex(Audience<SessionID>())

  /// What a session subscribed to by that name is another subscription now, or none. It may know a resource by several
  /// names: `all` is what it has.
  func replace(
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

  func dismiss(_ session: SessionID, _ interests: some Sequence<ResourceInterest>) {
    sessions.withLock { sessions in
      for interest in interests { sessions.remove(session, interest) }
    }
  }

  /// The sessions that hear of a change of this resource.
  func sessions(hearing upstream: Int, _ uri: [UInt8]) -> [Audience<SessionID>.Group] {
    sessions.withLock { $0.groups(of: upstream, uri) }
  }

  func add(_ interests: some Sequence<ResourceInterest>) {
    counts.withLock { counts in
      for interest in interests { counts[interest, default: 0] += 1 }
    }
  }

  func remove(_ interests: some Sequence<ResourceInterest>) {
    counts.withLock { counts in
      for interest in interests {
        guard let count = counts[interest] else { continue }
        counts[interest] = count > 1 ? count - 1 : nil
      }
    }
  }

  /// URIs that the gateway's own conversation with this upstream should bring news of.
  func wanted(of upstream: Int) -> Set<[UInt8]> {
    counts.withLock { counts in
      counts.keys.reduce(into: []) { if $1.upstream == upstream { $0.insert($1.uri) } }
    }
  }
}

/// What a client that named a resource wants to hear of.
struct Subscription: Sendable {
  var interest: ResourceInterest
  /// The gateway's own conversation brings the news, rather than the client's.
  var isCounted = true
}
