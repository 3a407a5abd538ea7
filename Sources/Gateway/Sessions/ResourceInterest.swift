import Routing
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

/// What a client that named a resource wants to hear of.
struct Subscription: Sendable {
  var interest: ResourceInterest
  /// The gateway's own conversation brings the news, rather than the client's.
  var isCounted = true

  /// What it takes to keep it, roughly: two URIs, and its places in the tables that know it.
  func bytes(named name: [UInt8]) -> Int { name.count + interest.uri.count + 512 }
}
