import Configuration
import MCP
import Testing

@testable import Gateway

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

  @Test("a client is promised the changes of the lists that there are")
  func announced() {
    #expect(ListKinds(announcedBy: []) == [])
    #expect(ListKinds(announcedBy: [.tools, .prompts]) == [])
    #expect(ListKinds(announcedBy: [.toolsListChanged, .promptsListChanged]) == [.tools, .prompts])
    #expect(ListKinds(announcedBy: .resourcesListChanged) == [.resources, .templates])
  }
}
