import Clusters
import MCP

/// What was wrong with a list as an upstream gave it.
public struct ListExcess: Equatable {
  public var text: String
  /// It is left as it was before.
  public var isLeftOut: Bool

  public init(text: String, isLeftOut: Bool) {
    self.text = text
    self.isLeftOut = isLeftOut
  }
}

/// Lists as an upstream has just given them.
public struct FetchedLists {
  /// One that is to be served.
  public struct Entry {
    public let cluster: Cluster
    public let fetch: ListFreshnessState.Fetch
    public let at: UInt64
    public let validity: ListFreshnessState.Validity

    public init(cluster: Cluster, fetch: ListFreshnessState.Fetch, at: UInt64, validity: ListFreshnessState.Validity) {
      self.cluster = cluster
      self.fetch = fetch
      self.at = at
      self.validity = validity
    }
  }

  public var pages: [ListKind: [[UInt8]]] = [:]
  public var entries: [Entry] = []
  public var excesses: [ListKind: ListExcess] = [:]
  /// Those that could not be had.
  public var failures: [ListKind: UpstreamFailure] = [:]

  public init(
    pages: [ListKind: [[UInt8]]] = [:], entries: [Entry] = [], excesses: [ListKind: ListExcess] = [:],
    failures: [ListKind: UpstreamFailure] = [:]
  ) {
    self.pages = pages
    self.entries = entries
    self.excesses = excesses
    self.failures = failures
  }

  /// Why the upstream can't be used at all, if that is so.
  public var breakdown: UpstreamFailure? { failures.values.first { $0.meaning != .passing } }

  /// Whether nothing of what was asked for could be had.
  public var isInVain: Bool { !failures.isEmpty && pages.values.allSatisfy(\.isEmpty) && excesses.isEmpty }
}
