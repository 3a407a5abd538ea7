import Configuration
import MCP
import Routing
import Wire

/// The catalogue of the moment with its routes, and what the gateway offers on each path. Immutable, replaced whole.
final class ServedCatalogue: Sendable {
  let routes: Routes
  var catalogue: Catalogue { routes.catalogue }
  /// By view: everything first, then each upstream alone.
  private let offers: [Offer]
  let problems: [String]

  private init(_ catalogue: Catalogue, resourceServers: [Int], offers: [Offer], problems: [String]) {
    routes = Routes(catalogue, resourceServers: resourceServers)
    self.offers = offers
    self.problems = problems
  }

  /// Before any upstream has answered.
  static func empty(_ clusters: [Cluster], _ configuration: GatewayConfiguration) -> ServedCatalogue {
    merge(clusters.map { _ in nil }, clusters, configuration, epoch: 0)
  }

  /// - Parameter lists: by upstream, in the order of configuration; nil for one that has never answered.
  static func merge(
    _ lists: [UpstreamLists?], _ clusters: [Cluster], _ configuration: GatewayConfiguration, epoch: UInt64
  ) -> ServedCatalogue {
    let policy: PrefixPolicy =
      switch configuration.prefix {
      case .conditional: .conditional
      case .always: .always
      case .never: .never
      }
    let identity = GatewayState.identity
    let complete = zip(lists, clusters).map { list, cluster in
      list ?? UpstreamLists(alias: cluster.alias, revision: .newestLegacy, isHTTP: false, isFresh: false)
    }
    var limits = CatalogueBuilder.PageLimits()
    limits.entries = configuration.limits.pageEntries
    limits.bytes = configuration.limits.pageSize
    let catalogue = CatalogueBuilder.merge(complete, policy: policy, identity: identity, epoch: epoch, limits: limits)
    let answered = clusters.map { cluster in
      cluster.profile?.offer ?? ServerOffer(alias: cluster.alias, capabilities: [])
    }
    let offers =
      [Offer(merging: answered, identity: identity)] + answered.map { Offer(merging: [$0], identity: identity) }
    let withResources = answered.indices.filter { answered[$0].capabilities.contains(.resources) }
    return ServedCatalogue(
      catalogue, resourceServers: withResources, offers: offers, problems: catalogue.problems.map(Self.text))
  }

  /// Whether clients would see no difference.
  func isSame(as other: ServedCatalogue) -> Bool {
    offers == other.offers && problems == other.problems && catalogue.isSame(as: other.catalogue)
  }

  func offer(_ view: CatalogueView) -> Offer { offers[view.index] }

  /// Appends the page of a list that a request asks for.
  func append(
    _ kind: ListKind, _ view: CatalogueView, _ revision: Revision, cursor: RawSpan?, key: SipHash,
    to buffer: inout ByteBuffer
  ) -> GatewayError? {
    var contents: RawSpan?
    if let cursor {
      guard let text = JSON.contents(of: cursor) else { return GatewayError(.invalidCursor) }
      contents = text
    }
    switch catalogue.page(at: contents, of: kind, view: view, revision: revision, key: key) {
    case .success(let page):
      catalogue.append(kind, page: page, view: view, revision: revision, key: key, to: &buffer)
      return nil
    case .failure(let error):
      return error
    }
  }

  /// The lists that clients see differently since `older`, by what they look at.
  struct Changes: Sendable {
    /// Everything first, then each upstream alone.
    fileprivate var views: [ListKinds]

    var isEmpty: Bool { views.allSatisfy(\.isEmpty) }

    subscript(view: CatalogueView) -> ListKinds { views[view.index] }
  }

  func changes(since older: ServedCatalogue) -> Changes {
    let views = [CatalogueView.all] + catalogue.upstreams.indices.map { .only(upstream: $0) }
    return Changes(views: views.map { catalogue.changes(since: older.catalogue, view: $0) })
  }

  private static func text(_ problem: Catalogue.Problem) -> String {
    switch problem {
    case .renamed(let alias, let kind, let own, let exposed):
      "\(alias): \(kind) \"\(own)\" has a name that is taken; it is served as \"\(exposed)\""
    case .duplicate(let alias, let kind, let own):
      "\(alias): \(kind) \"\(own)\" is listed twice; the first is served"
    case .malformed(let alias, let kind):
      "\(alias): an entry of its \(kind) has no name and is left out"
    case .badHeaderAnnotation(let alias, let tool, let reason):
      "\(alias): tool \"\(tool)\" is hidden from clients of 2026-07-28: \(reason)"
    }
  }
}
