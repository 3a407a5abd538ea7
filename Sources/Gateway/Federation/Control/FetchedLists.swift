import MCP

/// What was wrong with a list as an upstream gave it.
struct ListExcess: Equatable {
  var text: String
  /// It is left as it was before.
  var isLeftOut: Bool
}

/// Lists as an upstream has just given them.
struct FetchedLists {
  /// One that is to be served.
  struct Entry {
    let cluster: Cluster
    let fetch: ListFreshnessState.Fetch
    let at: UInt64
    let validity: ListFreshnessState.Validity
  }

  var pages: [ListKind: [[UInt8]]] = [:]
  var entries: [Entry] = []
  var excesses: [ListKind: ListExcess] = [:]
  /// Those that could not be had.
  var failures: [ListKind: UpstreamFailure] = [:]

  /// Why the upstream can't be used at all, if that is so.
  var breakdown: UpstreamFailure? { failures.values.first { $0.meaning != .passing } }

  /// Whether nothing of what was asked for could be had.
  var isInVain: Bool { !failures.isEmpty && pages.values.allSatisfy(\.isEmpty) && excesses.isEmpty }
}
