import Configuration
import ConfigurationSyntax
import MCP
import Testing

@testable import Clusters
@testable import Federation
@testable import Lifecycle

/// Which clusters a configuration that was read again keeps, and what a restart is needed for.
@Suite("A configuration that was read again")
struct ClusterSetTests {
  private func server(_ alias: String, _ command: String = "x", line: Int = 1) -> GatewayConfiguration.Server {
    GatewayConfiguration.Server(
      alias: alias, kind: .command(GatewayConfiguration.Command(command: command)),
      position: SourcePosition(file: "f", line: line))
  }

  private func configuration(_ servers: [GatewayConfiguration.Server]) -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    configuration.servers = servers
    return configuration
  }

  @Test("a server that is the same keeps its cluster, wherever it stands")
  func same() throws {
    let clusters = ClusterSet()
    let first = try clusters.clusters(for: configuration([server("a"), server("b")]))
    let second = try clusters.clusters(
      for: configuration([server("b", line: 9), server("c"), server("a", line: 7)]), keeping: first)
    #expect(second.map(\.alias) == ["b", "c", "a"])
    #expect(second[0] === first[1] && second[2] === first[0])
  }

  @Test("a server that changed keeps its number and gets another cluster")
  func changed() throws {
    let clusters = ClusterSet()
    let first = try clusters.clusters(for: configuration([server("a"), server("b")]))
    let second = try clusters.clusters(for: configuration([server("a", "y"), server("b")]), keeping: first)
    #expect(second[0] !== first[0])
    #expect(second[0].number == first[0].number)
    #expect(second[0].id != first[0].id)
    #expect(second[1] === first[1])
    let third = try clusters.clusters(for: configuration([server("c")]), keeping: second)
    #expect(!first.map(\.number).contains(third[0].number))
  }

  @Test("a server that changed serves as it was until what takes its place is there; both leave with it")
  func succession() throws {
    let clusters = try ClusterSet(configuration([server("a"), server("b")]))
    let first = clusters.served[0]
    let offer = ServerOffer(alias: "a", capabilities: [])
    first.update(.ready(Cluster.Profile(transport: .stdio, revision: .newestLegacy, offer: offer)))
    let change = try clusters.adopt(configuration([server("a", "y"), server("b")]))
    #expect(change.changed == ["a"] && change.left.isEmpty && change.text == "changed a")
    #expect(clusters.served[0] === first)
    let next = try #require(clusters.successors[first.number])
    #expect(clusters.isSuccessor(next) && change.wanted[0] === next)
    // Another one in its place, before it has answered.
    let again = try clusters.adopt(configuration([server("a", "z"), server("b")]))
    #expect(again.changed == ["a"] && again.left.count == 1 && again.left[0] === next)
    let last = try #require(clusters.successors[first.number])
    let removal = try clusters.adopt(configuration([server("b")]))
    #expect(removal.removed == ["a"] && removal.text == "removed a")
    #expect(removal.left.count == 2 && removal.left[0] === first && removal.left[1] === last)
    #expect(clusters.successors.isEmpty && clusters.served.map(\.alias) == ["b"])
  }

  @Test("a successor takes its place once, and what nobody could call yet is replaced at once")
  func promotion() throws {
    let clusters = try ClusterSet(configuration([server("a")]))
    let first = clusters.served[0]
    let change = try clusters.adopt(configuration([server("a", "y")]))
    #expect(change.changed == ["a"] && change.left.count == 1 && change.left[0] === first)
    #expect(clusters.served[0] === change.wanted[0] && clusters.successors.isEmpty)
    let offer = ServerOffer(alias: "a", capabilities: [])
    let serving = clusters.served[0]
    serving.update(.ready(Cluster.Profile(transport: .stdio, revision: .newestLegacy, offer: offer)))
    _ = try clusters.adopt(configuration([server("a", "z")]))
    let next = try #require(clusters.successors[serving.number])
    #expect(clusters.promote(next) === serving && clusters.served[0] === next)
    #expect(clusters.promote(next) == nil)
    #expect(clusters.successor(of: serving) == nil, "it serves no more")
    let upgraded = try #require(clusters.successor(of: next))
    #expect(clusters.successor(of: next) == nil, "there is one already")
    #expect(upgraded.stakeID == next.stakeID && clusters.formerFace(for: upgraded) === next)
    clusters.giveUp(upgraded)
    #expect(clusters.successors.isEmpty)
  }

  @Test("without servers the demonstration is served, and it stays while there are none")
  func demonstration() throws {
    let clusters = ClusterSet()
    let first = try clusters.clusters(for: GatewayConfiguration())
    #expect(first.map(\.isEmbedded) == [true])
    #expect(try clusters.clusters(for: GatewayConfiguration(), keeping: first)[0] === first[0])
    #expect(try clusters.clusters(for: configuration([server("a")]), keeping: first).map(\.isEmbedded) == [false])
  }

  @Test("what can't change while it runs keeps its value and is named")
  func fixed() {
    var running = GatewayConfiguration()
    running.workers = 2
    var read = running
    read.listeners.http.port = 5000
    read.workers = nil
    read.prefix = .always
    #expect(read.keepFixed(of: running) == ["listeners.http.port", "workers"])
    #expect(read.listeners.http.port == running.listeners.http.port)
    #expect(read.workers == 2)
    #expect(read.prefix == .always)
    #expect(read.keepFixed(of: running).isEmpty)
  }

  @Test(
    "sockets are shared out so that every worker has one and none is left", arguments: [(1, 4), (4, 1), (3, 2), (2, 5)])
  func share(sockets: Int, workers: Int) {
    var duplicates: [Int32] = []
    let shares = InheritedSockets.share((0..<sockets).map(Int32.init), workers) { original in
      duplicates.append(original)
      return 100 + original
    }
    #expect(shares.count == workers)
    #expect(shares.allSatisfy { !$0.isEmpty })
    #expect(Set(shares.joined().filter { $0 < 100 }) == Set((0..<Int32(sockets))))
    #expect(duplicates.count == max(0, workers - sockets))
    let none = InheritedSockets.share([], workers) { $0 }
    #expect(none.count == workers)
    #expect(none.flatMap { $0 }.isEmpty)
  }
}
