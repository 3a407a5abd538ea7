import Catalogue
import Clusters
import Configuration
import MCP
import Reactor
import Routing
import Wire
import Workers

/// The catalogue of the moment with its routes, the upstreams that they lead to, and what the gateway offers on each
/// path. Immutable, replaced whole.
public final class ServedCatalogue: Sendable {
  public let routes: Routes
  /// In the order of configuration, which is that of the catalogue.
  public let clusters: [Cluster]
  /// The same for who looks at one while it has the catalogue.
  private let lentClusters: [Lent<Cluster>]
  public var catalogue: Catalogue { routes.catalogue }
  /// By view: everything first, then each upstream alone.
  private let offers: [Offer]
  /// At least one upstream has answered.
  public let hasAnswers: Bool
  let problems: [String]
  /// When those upstreams' lists were fetched that one client sees differently, by the id of the cluster.
  public let lookedAt: [Int: UInt64]

  private init(
    _ catalogue: Catalogue, _ clusters: [Cluster], resourceServers: [Int], offers: [Offer], hasAnswers: Bool,
    problems: [String], lookedAt: [Int: UInt64]
  ) {
    self.lookedAt = lookedAt
    self.clusters = clusters
    lentClusters = clusters.map { Lent($0) }
    routes = Routes(catalogue, resourceServers: resourceServers)
    self.offers = offers
    self.hasAnswers = hasAnswers
    self.problems = problems
  }

  /// Lets `body` look at an upstream, by its place.
  @inline(__always)
  public func withCluster<Result>(at place: Int, _ body: (Cluster) -> Result) -> Result {
    lentClusters[place].with(body)
  }

  /// Before any upstream has answered.
  public static func empty(_ clusters: [Cluster], _ configuration: GatewayConfiguration) -> ServedCatalogue {
    merge(clusters.map { _ in nil }, clusters, configuration)
  }

  /// - Parameters:
  ///   - lists: by upstream, in the order of configuration; nil for one that has never answered.
  ///   - known: what upstreams called their own before this gateway started, by alias.
  ///   - reserved: by upstream, what else is its own, though it is not listed here.
  ///   - promising: the numbers of those that may yet turn out to offer more than is known of them.
  public static func merge(
    _ lists: [UpstreamLists?], _ clusters: [Cluster], _ configuration: GatewayConfiguration,
    known: [String: KnownNames] = [:], reserved: [KnownNames] = [], promising: Set<Int> = [],
    lookedAt: [Int: UInt64] = [:]
  ) -> ServedCatalogue {
    let policy: PrefixPolicy =
      switch configuration.prefix {
      case .conditional: .conditional
      case .always: .always
      case .never: .never
      }
    let identity = Identity.gateway
    let complete = zip(lists, clusters).enumerated().map { place, pair in
      let cluster = pair.1
      var list = pair.0 ?? UpstreamLists(alias: cluster.alias, revision: .newestLegacy, isHTTP: false, isFresh: false)
      list.number = cluster.number
      list.known = known[cluster.alias] ?? KnownNames()
      if place < reserved.count { list.reserved = reserved[place] }
      return list
    }
    var limits = CatalogueBuilder.PageLimits()
    limits.entries = configuration.limits.pageEntries
    limits.bytes = configuration.limits.pageSize
    let catalogue = CatalogueBuilder.merge(complete, policy: policy, identity: identity, limits: limits)
    let answers = clusters.map { $0.profile?.offer }
    // A session is told once what there is: whatever a server that has not answered yet may bring is promised.
    let promised = zip(answers, clusters).map { answer, cluster in
      var offer = answer ?? ServerOffer(alias: cluster.alias, capabilities: .conceivable)
      if promising.contains(cluster.number) { offer.capabilities.formUnion(.conceivable) }
      return offer
    }
    let offers =
      [Offer(merging: promised, identity: identity)] + promised.map { Offer(merging: [$0], identity: identity) }
    let withResources = answers.indices.filter { place in
      answers[place].map { $0.capabilities.contains(.resources) } ?? complete[place].known.hasResources
    }
    return ServedCatalogue(
      catalogue, clusters, resourceServers: withResources, offers: offers,
      hasAnswers: answers.contains { $0 != nil }, problems: catalogue.problems.map(Self.text),
      lookedAt: lookedAt)
  }

  /// Whether it leads to that upstream.
  func shows(_ cluster: Cluster) -> Bool { clusters.contains { $0 === cluster } }

  /// Whether calls go to the same upstreams.
  public func leadsToSame(as other: ServedCatalogue) -> Bool { clusters.elementsEqual(other.clusters, by: ===) }

  /// Whether clients would see no difference, and their calls would go to the same upstreams.
  func isSame(as other: ServedCatalogue) -> Bool {
    leadsToSame(as: other) && offers == other.offers && hasAnswers == other.hasAnswers && problems == other.problems
      && catalogue.isSame(as: other.catalogue)
  }

  /// The upstream that a view shows, by its place, if it shows no other.
  public func onlyServer(in view: CatalogueView) -> Int? {
    switch view {
    case .all: clusters.count == 1 ? 0 : nil
    case .only(let number): catalogue.place(ofUpstream: number)
    }
  }

  public func offer(_ view: CatalogueView) -> Offer {
    switch view {
    case .all: offers[0]
    case .only(let number):
      catalogue.place(ofUpstream: number).map { offers[$0 + 1] } ?? Offer(merging: [], identity: .gateway)
    }
  }

  /// Appends the page of a list that a request asks for.
  /// - Parameter lifetime: milliseconds for which a modern client may keep it.
  public func append(
    _ kind: ListKind, _ view: CatalogueView, _ revision: Revision, cursor: RawSpan?, lifetime: UInt64, key: SipHash,
    to buffer: inout ByteBuffer
  ) -> GatewayError? {
    var contents: RawSpan?
    if let cursor {
      guard let text = JSON.contents(of: cursor) else { return GatewayError(.invalidCursor) }
      contents = text
    }
    switch catalogue.page(at: contents, of: kind, view: view, revision: revision, key: key) {
    case .success(let page):
      catalogue.append(
        kind, page: page, view: view, revision: revision, lifetime: lifetime, key: key, to: &buffer)
      return nil
    case .failure(let error):
      return error
    }
  }

  /// The lists that clients see differently since `older`.
  public func changes(since older: ServedCatalogue) -> ListChanges {
    let views = [CatalogueView.all] + catalogue.upstreams.map { .only(upstream: $0.number) }
    let changed = views.map { ($0, catalogue.changes(since: older.catalogue, view: $0)) }
    return ListChanges(Dictionary(uniqueKeysWithValues: changed))
  }

  private static func text(_ problem: Catalogue.Problem) -> String {
    switch problem {
    case .renamed(let alias, let kind, let own, let exposed):
      "\(alias): \(kind) \"\(own)\" has a name that is taken; it is served as \"\(exposed)\""
    case .duplicate(let alias, let kind, let own):
      "\(alias): \(kind) \"\(own)\" is listed twice; the first is served"
    case .malformed(let alias, let kind):
      "\(alias): an entry of its \(kind) has no name and is left out"
    case .unusable(let alias, let kind):
      "\(alias): an entry of its \(kind) has an empty name, or one of more than 1,024 bytes, and is left out"
    case .mended(let alias, let kind, let faults):
      "\(alias): some clients would refuse every server's list for what is wrong with its \(kind) \(faults.text); "
        + "they are served mended"
    case .notURI(let alias, let own):
      "\(alias): the resource \"\(own)\" has no scheme in its URI, for which some clients would refuse every server's "
        + "list, and is left out"
    case .markedAsAnothers(let alias, let kind, let own, let other):
      "\(alias): \(kind) \"\(own)\" has the mark of the server \(other) in its URI and is left out"
    case .prefixedAsAnothers(let alias, let kind, let own, let other, let exposed):
      "\(alias): \(kind) \"\(own)\" begins with the alias of the server \(other) and is "
        + (exposed.map { "served as \"\($0)\"" } ?? "left out")
    case .badHeaderAnnotation(let alias, let tool, let reason):
      "\(alias): tool \"\(tool)\" is hidden from clients of 2026-07-28: \(reason)"
    }
  }
}
