import MCP

/// Lists that a client asks for, and what of them may be too old.
struct ListWish: Sendable {
  let kind: ListKind
  /// The upstreams whose lists it sees.
  var clusters: [Cluster] = []
  /// The client's own conversations with some of them, which may show it other lists.
  var own: [UpstreamSession] = []
}
