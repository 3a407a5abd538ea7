import Catalogue
import Clusters
import MCP
import Supervision

/// What upstreams have listed, as it is served or about to be, by cluster.
final class ServerLists: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private var lists: [Int: UpstreamLists] = [:]
  /// What was fetched and is served with the next catalogue.
  private var unpublished: [FetchedLists.Entry] = []

  init(_ loop: ControlLoop) { self.loop = loop }

  subscript(cluster: Cluster) -> UpstreamLists? { lists[cluster.id] }

  /// By the id of the cluster.
  var all: [Int: UpstreamLists] { lists }

  /// Something was fetched that no client sees yet.
  var hasNews: Bool { !unpublished.isEmpty }

  /// What was fetched is to be served. True if it makes any difference.
  @discardableResult
  func take(_ fetched: FetchedLists, _ supervised: SupervisedCluster, _ profile: Cluster.Profile) -> Bool {
    let cluster = supervised.cluster
    var known =
      lists[cluster.id]
      ?? UpstreamLists(
        alias: cluster.alias, revision: profile.revision, isHTTP: profile.transport == .streamableHTTP)
    known.revision = profile.revision
    for entry in fetched.entries where cluster.freshness.withLock({ $0.isNews(entry.fetch) }) {
      let kind = entry.fetch.kind
      if let pages = fetched.pages[kind] { known.pages[kind] = pages }
      note(fetched.excesses[kind], of: kind, supervised)
      unpublished.append(entry)
    }
    known.isFresh = !supervised.excesses.values.contains(where: \.isLeftOut)
    let isNew = lists[cluster.id] != known
    lists[cluster.id] = known
    return isNew
  }

  /// What was fetched is served from now on.
  func published() {
    for entry in unpublished {
      entry.cluster.freshness.withLock { $0.published(entry.fetch, at: entry.at, entry.validity) }
    }
    unpublished = []
  }

  /// The upstream can't be reached: listed as before, but no longer to be kept. False if that is so already.
  func age(_ cluster: Cluster) -> Bool {
    guard lists[cluster.id]?.isFresh == true else { return false }
    lists[cluster.id]?.isFresh = false
    return true
  }

  /// A cluster that takes another's place without an answer lists what that did.
  func inherit(_ former: Cluster, to cluster: Cluster) {
    lists[cluster.id] = lists[former.id]
    lists[cluster.id]?.isFresh = false
  }

  func forget(_ cluster: Cluster) { lists[cluster.id] = nil }

  private func note(_ excess: ListExcess?, of kind: ListKind, _ supervised: SupervisedCluster) {
    let cluster = supervised.cluster
    let isNews = supervised.excesses[kind] != excess
    supervised.excesses[kind] = excess
    let wasExcessive = cluster.noteExcess(!supervised.excesses.isEmpty)
    if isNews, let excess {
      loop.logger.warning("\(cluster.alias): its \(excess.text)", metadata: ["server": "\(cluster.alias)"])
    }
    if supervised.excesses.isEmpty, wasExcessive {
      loop.logger.info(
        "\(cluster.alias): its lists are within their bounds again", metadata: ["server": "\(cluster.alias)"])
    }
  }
}
