import Configuration
import MCP
import Testing

@testable import Catalogue
@testable import Clusters
@testable import ServedCatalogue

@Suite("The shelf with the catalogues of the moment")
struct CatalogueShelfTests {
  private static func catalogues(_ numbers: Int...) -> Catalogues {
    let clusters = numbers.map { Cluster(embedded: "s\($0)", Cluster.Name(number: $0, id: 10 + $0)) }
    return Catalogues(.empty(clusters, GatewayConfiguration()))
  }

  private static func numbers(_ catalogue: ServedCatalogue) -> [Int] { catalogue.clusters.map(\.number) }

  private let shelf = CatalogueShelf(Self.catalogues(4, 2))

  @Test("finds servers by their number, and knows their order and none that are gone")
  func servers() {
    #expect(shelf.clusters.map(\.number) == [4, 2])
    #expect(shelf.cluster(numbered: 2) === shelf.clusters[1] && shelf.cluster(numbered: 0) == nil)
    shelf.publish(Self.catalogues(2, 0))
    #expect(shelf.clusters.map(\.number) == [2, 0])
    #expect(shelf.cluster(numbered: 4) == nil && shelf.cluster(numbered: 0) != nil)
  }

  @Test("has another version whenever there are others, be they the same")
  func versions() {
    var seen = [shelf.version]
    let same = shelf.catalogues
    for _ in 0..<3 {
      shelf.publish(same)
      seen.append(shelf.version)
    }
    #expect(Set(seen).count == 4)
    #expect(shelf.version == seen[3], "to look makes none")
  }

  @Test("counts conflicts as they are, not as they add up")
  func conflicts() {
    for count in [3, 5, 0] {
      shelf.countConflicts(count)
      #expect(shelf.conflictCount == count)
    }
  }

  @Test("a loop sees others as soon as they are there")
  func reading() {
    let reader = ShelfReader(shelf)
    for era in [Era.legacy, .modern] { #expect(reader.look(at: era, Self.numbers) == [4, 2]) }
    shelf.publish(Self.catalogues(1))
    for era in [Era.legacy, .modern] { #expect(reader.look(at: era, Self.numbers) == [1]) }
  }

  @Test("who looks from within a look sees the same, whatever came meanwhile")
  func within() {
    let reader = ShelfReader(shelf)
    reader.look(at: .modern) { outer in
      shelf.publish(Self.catalogues(1))
      reader.look(at: .modern) { #expect($0 === outer) }
      #expect(reader.look(at: .legacy, Self.numbers) == [4, 2])
    }
    #expect(reader.look(at: .modern, Self.numbers) == [1])
  }
}

@Suite("Which lists have changed for whom")
struct ListChangesTests {
  private let clusters = [0, 1].map { Cluster(embedded: "s\($0)", Cluster.Name(number: $0, id: 10 + $0)) }

  @Test("a server's are changes where all are seen and where it is seen alone, and nowhere else")
  func ofServer() {
    let changes = ListChanges(.tools, ofUpstream: 1)
    #expect(changes[.all] == .tools && changes[.only(upstream: 1)] == .tools)
    #expect(changes[.only(upstream: 0)] == [] && !changes.isEmpty)
    #expect(ListChanges().isEmpty && ListChanges([.all: []]).isEmpty)
  }

  @Test("those of several servers are told together, of each view what concerns it")
  func union() {
    var changes = ListChanges(.tools, ofUpstream: 0)
    changes.formUnion(ListChanges(.prompts, ofUpstream: 1))
    changes.formUnion(ListChanges())
    #expect(changes[.all] == [.tools, .prompts])
    #expect(changes[.only(upstream: 0)] == .tools && changes[.only(upstream: 1)] == .prompts)
  }

  @Test("an era hears of the servers that it sees, and of no other")
  func eras() {
    let configuration = GatewayConfiguration()
    let catalogues = Catalogues(
      legacy: .empty([clusters[0]], configuration), modern: .empty([clusters[1]], configuration))
    var changes = Catalogues.Changes(.tools, of: clusters[0], in: catalogues)
    #expect(changes.legacy[.all] == .tools && changes.modern.isEmpty)
    changes.formUnion(Catalogues.Changes(.prompts, of: clusters[1], in: catalogues))
    #expect(changes.legacy[.all] == .tools && changes.modern[.all] == .prompts && !changes.isEmpty)
    #expect(changes.kinds(of: clusters[0], in: catalogues) == .tools)
    #expect(changes.kinds(of: clusters[1], in: catalogues) == .prompts)
    #expect(Catalogues.Changes().isEmpty)
  }

  @Test("a view shows its server, or all of them")
  func views() {
    #expect(clusters.allSatisfy(CatalogueView.all.shows))
    #expect(clusters.map(CatalogueView.only(upstream: 1).shows) == [false, true])
  }
}
