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

/// A change of a resource, as its upstream told it.
struct ResourceUpdate: Sendable {
  let upstream: Int
  let alias: String
  let revision: Revision
  /// The upstream's own URI.
  let uri: [UInt8]
  let message: [UInt8]

  /// The URI by which whoever holds these subscriptions knows the resource; nil if none of them is concerned.
  func name(among subscriptions: [[UInt8]: Subscription]) -> [UInt8]? {
    var name: [UInt8]?
    for (named, subscription) in subscriptions
    where subscription.interest.upstream == upstream && subscription.isCounted {
      if subscription.interest.uri == uri { return named }
      guard UpstreamSession.covers(subscription.interest.uri, uri) else { continue }
      name = named == subscription.interest.uri ? uri : marked
    }
    return name
  }

  /// The URI under the mark that tells it from another server's.
  private var marked: [UInt8] {
    var buffer = ByteBuffer(capacity: uri.count + alias.utf8.count + 16)
    ResourceTag.append(uri.rawBytes, alias: alias, to: &buffer)
    return buffer.bytes.array
  }

  /// Appends the notification for a client: under its own name for the resource, and on a listen with that listen's id.
  func append(to buffer: inout ByteBuffer, named name: [UInt8], client: Revision, subscriptionID: RawSpan? = nil)
    -> Bool
  {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(message.rawBytes)
    guard let place = envelope.member(Param.uri) else { return false }
    var splice = Splice()
    if name != uri { splice.replace(place.value) { $0.append(quoted: name.rawBytes) } }
    let hop = Hop(.notifyResourcesUpdated, client: client, upstream: revision)
    guard ServerTranslation.notification(envelope, hop, subscriptionID: subscriptionID, splice: &splice) else {
      return false
    }
    return splice.write(envelope.message, into: &buffer)
  }
}

/// Something that several others must have done, or that is done without them when its time is up. Fires once.
final class Gathering: Sendable {
  private let outstanding: Mutex<Int>

  init(_ count: Int) { outstanding = Mutex(count) }

  /// One more is done; true for the last of them.
  func arrive() -> Bool {
    outstanding.withLock { count in
      guard count > 0 else { return false }
      count -= 1
      return count == 0
    }
  }

  /// The time is up; true if they had not all arrived.
  func expire() -> Bool {
    outstanding.withLock { count in
      defer { count = 0 }
      return count > 0
    }
  }
}
