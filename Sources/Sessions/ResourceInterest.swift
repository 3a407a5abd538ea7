import Catalogue
import MCP
import Routing
import Wire

/// A resource that somebody wants to hear of: its upstream's number, and the URI by which that upstream knows it.
public struct ResourceInterest: Hashable, Sendable {
  public var upstream: Int
  public var uri: [UInt8]

  /// The interest in a resource that a client named, given its route.
  public init(_ named: RawSpan, _ route: Route, _ routes: Routes) {
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

  public init(upstream: Int, uri: [UInt8]) {
    self.upstream = upstream
    self.uri = uri
  }
}

/// What a client that named a resource wants to hear of.
public struct Subscription: Sendable {
  public var interest: ResourceInterest
  /// The gateway's own conversation brings the news, rather than the client's.
  public var isCounted = true

  public init(interest: ResourceInterest, isCounted: Bool = true) {
    self.interest = interest
    self.isCounted = isCounted
  }

  /// What it takes to keep it, roughly: two URIs, and its places in the tables that know it.
  public func bytes(named name: [UInt8]) -> Int { name.count + interest.uri.count + 512 }
}
