import Clusters
import MCP

/// Lists that a client asks for, and what of them may be too old.
public struct ListWish: Sendable {
  public let kind: ListKind
  /// The upstreams whose lists it sees.
  public var clusters: [Cluster] = []
  /// The client's own conversations with some of them, which may show it other lists.
  public var own: [UpstreamSession] = []

  public init(kind: ListKind, clusters: [Cluster] = [], own: [UpstreamSession] = []) {
    self.kind = kind
    self.clusters = clusters
    self.own = own
  }
}
