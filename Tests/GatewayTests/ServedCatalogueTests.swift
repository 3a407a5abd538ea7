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
}
