import Configuration
import ConfigurationSyntax
import MCP
import Testing
import Wire

@testable import Catalogue
@testable import Clusters
@testable import ServedCatalogue

/// What the gateway offers on each of its paths, given what is known of the upstreams.
@Suite("The served catalogue")
struct ServedCatalogueTests {
  private static func clusters(_ aliases: String...) throws -> [Cluster] {
    try aliases.enumerated().map { number, alias in
      let server = GatewayConfiguration.Server(
        alias: alias, kind: .command(GatewayConfiguration.Command(command: "x")),
        position: SourcePosition(file: "f", line: 1))
      return try Cluster(Cluster.Name(number: number, id: 10 + number), server: server, connectTimeout: 1000)
    }
  }

  @Test("a client looks at one server alone at its own path, and at /mcp if there is no other")
  func onlyServer() throws {
    let one = ServedCatalogue.empty(try Self.clusters("a"), GatewayConfiguration())
    #expect(one.onlyServer(in: .all) == 0)
    let two = ServedCatalogue.empty(try Self.clusters("a", "b"), GatewayConfiguration())
    #expect(two.onlyServer(in: .all) == nil)
    #expect(two.onlyServer(in: .only(upstream: 1)) == 1)
    #expect(two.onlyServer(in: .only(upstream: 7)) == nil)
  }

  private static func merge(_ clusters: [Cluster]) -> ServedCatalogue {
    ServedCatalogue.merge(clusters.map { _ in nil }, clusters, GatewayConfiguration())
  }

  private static func ready(_ cluster: Cluster, _ capabilities: ServerCapabilities) {
    let offer = ServerOffer(alias: cluster.alias, capabilities: capabilities)
    cluster.update(.ready(Cluster.Profile(transport: .stdio, revision: .newestLegacy, offer: offer)))
  }

  @Test("what a server that has not answered yet may bring is promised, with its changes")
  func promises() throws {
    let clusters = try Self.clusters("a", "b")
    let lists: ServerCapabilities = [
      .tools, .toolsListChanged, .prompts, .promptsListChanged, .resources, .resourcesListChanged,
    ]
    for view in [CatalogueView.all, .only(upstream: 0), .only(upstream: 1)] {
      #expect(Self.merge(clusters).offer(view).capabilities.isSuperset(of: lists))
    }
    Self.ready(clusters[0], .tools)
    let one = Self.merge(clusters)
    #expect(one.offer(.all).capabilities.isSuperset(of: lists))
    #expect(one.offer(.only(upstream: 0)).capabilities == [.tools, .toolsListChanged])
    clusters[1].update(.down(reason: "x", retryAt: 0, nil))
    #expect(Self.merge(clusters).offer(.all).capabilities.isSuperset(of: lists), "it is tried again")
    Self.ready(clusters[1], [])
    #expect(Self.merge(clusters).offer(.all).capabilities == [.tools, .toolsListChanged])
  }

  @Test("the first answer makes another catalogue, even if it offers nothing")
  func answers() throws {
    let clusters = try Self.clusters("a", "b")
    let none = Self.merge(clusters)
    #expect(!none.hasAnswers)
    Self.ready(clusters[0], .conceivable)
    let one = Self.merge(clusters)
    #expect(one.hasAnswers && !one.isSame(as: none))
    clusters[0].update(.down(reason: "x", retryAt: 0, clusters[0].profile))
    #expect(Self.merge(clusters).hasAnswers)
  }

  @Test("one whose servers offer something else is another, though it lists the same")
  func offers() throws {
    let clusters = try Self.clusters("a")
    Self.ready(clusters[0], .tools)
    let (old, same) = (Self.merge(clusters), Self.merge(clusters))
    Self.ready(clusters[0], [.tools, .prompts])
    let new = Self.merge(clusters)
    #expect(same.isSame(as: old) && !new.isSame(as: old) && new.changes(since: old).isEmpty)
  }

  @Test("a URI that no list explains goes to the only server that has resources, or had some when it was last there")
  func resourceServers() throws {
    let clusters = try Self.clusters("a", "b")
    Self.ready(clusters[0], .tools)
    let known = KnownNames(
      of: UpstreamLists(
        alias: "b", revision: .newestLegacy, isHTTP: false,
        pages: [.resources: [Array(#"{"resources":[{"uri":"r://b","name":"b"}]}"#.utf8)]]))
    let uri = Array("z://other".utf8)
    func owner(_ known: [String: KnownNames]) -> Int? {
      let catalogue = ServedCatalogue.merge([nil, nil], clusters, GatewayConfiguration(), known: known)
      return try? catalogue.routes.route(resource: uri.rawBytes, view: .all).get().upstream
    }
    #expect(owner(["b": known]) == 1)
    #expect(owner([:]) == nil)
    // What it offers once it is there counts alone.
    Self.ready(clusters[1], .tools)
    #expect(owner(["b": known]) == nil)
  }

  @Test("a client is promised the changes of the lists that there are")
  func announced() {
    #expect(ListKinds(announcedBy: []) == [])
    #expect(ListKinds(announcedBy: [.tools, .prompts]) == [])
    #expect(ListKinds(announcedBy: [.toolsListChanged, .promptsListChanged]) == [.tools, .prompts])
    #expect(ListKinds(announcedBy: .resourcesListChanged) == [.resources, .templates])
  }

  private static let key = SipHash(key: InlineArray(repeating: 5))

  private static func listing(_ clusters: [Cluster], tools: [[String]], entries: Int = 2) -> ServedCatalogue {
    var configuration = GatewayConfiguration()
    configuration.prefix = .never
    configuration.limits.pageEntries = entries
    let lists = zip(clusters, tools).map { cluster, tools in
      let text = tools.map { #"{"name":"\#($0)","inputSchema":{"type":"object"}}"# }.joined(separator: ",")
      return UpstreamLists(
        alias: cluster.alias, revision: .newestLegacy, isHTTP: false,
        pages: [.tools: [Array(#"{"tools":[\#(text)]}"#.utf8)]])
    }
    return ServedCatalogue.merge(lists, clusters, configuration)
  }

  private struct Page {
    var names: [String] = []
    var next: String?
    var error: GatewayError?
  }

  /// What a request with that cursor, as it stands in JSON, gets.
  private static func page(
    _ catalogue: ServedCatalogue, _ kind: ListKind = .tools, view: CatalogueView = .all, cursor: String? = nil
  ) -> Page {
    var buffer = ByteBuffer()
    let raw = cursor.map { Array("\"\($0)\"".utf8) }
    let error = catalogue.append(
      kind, view, .newestLegacy, cursor: raw?.rawBytes, lifetime: 0, key: key, to: &buffer)
    let text = buffer.isEmpty ? "" : buffer.bytes.text
    let parts = text.components(after: #""name":""#)
    return Page(names: parts, next: text.components(after: #""nextCursor":""#).first, error: error)
  }

  @Test("its pages have as many entries as they may, and lead to each other until all were listed")
  func pages() {
    let clusters = [Cluster(embedded: "a", Cluster.Name(number: 0, id: 1))]
    let catalogue = Self.listing(clusters, tools: [["t1", "t2", "t3", "t4", "t5"]])
    var (sizes, names, cursor): ([Int], [String], String?) = ([], [], nil)
    repeat {
      let page = Self.page(catalogue, cursor: cursor)
      #expect(page.error == nil)
      sizes.append(page.names.count)
      names += page.names
      cursor = page.next
    } while cursor != nil && sizes.count < 9
    #expect(sizes == [2, 2, 1] && names.sorted() == ["t1", "t2", "t3", "t4", "t5"])
  }

  @Test("a cursor is good for the list and the view that it came from, as long as those are the same")
  func cursors() throws {
    let clusters = ["a", "b"].enumerated().map { Cluster(embedded: $1, Cluster.Name(number: $0, id: 1 + $0)) }
    let tools = [["t1", "t2", "t3"], ["u1", "u2", "u3"]]
    let catalogue = Self.listing(clusters, tools: tools)
    let cursor = try #require(Self.page(catalogue).next)
    let again = Self.listing(clusters, tools: tools)
    #expect(Self.page(again, cursor: cursor).names == Self.page(catalogue, cursor: cursor).names)
    let changed = Self.listing(clusters, tools: [["t1", "t2", "t3"], ["u1", "u2", "u4"]])
    for refused in [
      Self.page(catalogue, .prompts, cursor: cursor), Self.page(catalogue, view: .only(upstream: 1), cursor: cursor),
      Self.page(changed, cursor: cursor), Self.page(catalogue, cursor: "nonsense"), Self.page(catalogue, cursor: ""),
    ] {
      #expect(refused.error?.kind == .invalidCursor && refused.names.isEmpty)
    }
    // What is seen of a server alone has not changed with another one.
    let own = try #require(Self.page(catalogue, view: .only(upstream: 0)).next)
    #expect(Self.page(changed, view: .only(upstream: 0), cursor: own).names == ["t3"])
  }

  @Test("what changes at one server changes for those who see it, and for nobody who looks at another alone")
  func changes() {
    let clusters = ["a", "b"].enumerated().map { Cluster(embedded: $1, Cluster.Name(number: $0, id: 1 + $0)) }
    let old = Self.listing(clusters, tools: [["t1"], ["u1"]])
    let new = Self.listing(clusters, tools: [["t1"], ["u1", "u2"]])
    let changes = new.changes(since: old)
    #expect(changes[.all] == .tools && changes[.only(upstream: 1)] == .tools && changes[.only(upstream: 0)] == [])
    #expect(!new.isSame(as: old) && new.leadsToSame(as: old))
    #expect(Self.listing(clusters, tools: [["t1"], ["u1"]]).isSame(as: old))
  }

  @Test("one with other servers leads elsewhere, though it lists the same")
  func servers() {
    let clusters = [1, 2].map { Cluster(embedded: "a", Cluster.Name(number: 0, id: $0)) }
    let (old, new) = (Self.listing([clusters[0]], tools: [["t"]]), Self.listing([clusters[1]], tools: [["t"]]))
    #expect(!new.leadsToSame(as: old) && !new.isSame(as: old) && new.changes(since: old).isEmpty)
    #expect(new.shows(clusters[1]) && !new.shows(clusters[0]))
    #expect(new.withCluster(at: 0) { $0 === clusters[1] })
  }

  @Test("there is nothing to offer and to list of a server that there is not")
  func unknown() {
    let catalogue = Self.listing([Cluster(embedded: "a", Cluster.Name(number: 0, id: 1))], tools: [["t"]])
    #expect(catalogue.offer(.only(upstream: 3)).capabilities == [])
    let page = Self.page(catalogue, view: .only(upstream: 3))
    #expect(page.error?.kind == .notFound && page.names.isEmpty)
  }

  @Test("entries that can't be served as they are are told of, each with its server")
  func problems() {
    let clusters = ["a", "b"].enumerated().map { Cluster(embedded: $1, Cluster.Name(number: $0, id: 1 + $0)) }
    let catalogue = Self.listing(clusters, tools: [["t", "t"], ["t", "fine", ""]])
    #expect(catalogue.problems.count == 3)
    #expect(catalogue.problems.contains { $0.hasPrefix("a: ") && $0.contains("listed twice") })
    #expect(catalogue.problems.contains { $0.hasPrefix("b: ") && $0.contains("a name that is taken") })
    #expect(catalogue.problems.contains { $0.hasPrefix("b: ") && $0.contains("an empty name") })
  }
}

extension String {
  /// What stands in quotes after each place of `start`.
  fileprivate func components(after start: String) -> [String] {
    var (found, rest): ([String], Substring) = ([], self[...])
    while let range = rest.firstRange(of: start) {
      rest = rest[range.upperBound...]
      found.append(String(rest.prefix { $0 != "\"" }))
    }
    return found
  }
}
