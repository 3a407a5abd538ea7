import Configuration
import ConfigurationSyntax
import MCP
import Testing

@testable import Catalogue
@testable import Clusters
@testable import Federation
@testable import ServedCatalogue

/// What clients of each era see of servers that may have two faces.
@Suite("The catalogues of both eras")
struct CataloguesTests {
  private let first: Cluster
  private let face: Cluster

  init() throws {
    let server = GatewayConfiguration.Server(
      alias: "a", kind: .command(GatewayConfiguration.Command(command: "x")),
      position: SourcePosition(file: "f", line: 1))
    let clusters = ClusterSet()
    var configuration = GatewayConfiguration()
    configuration.servers = [server]
    first = try clusters.clusters(for: configuration)[0]
    face = clusters.face(of: first, isSecond: true)
    first.update(.ready(Self.profile(.newest, [.tools])))
  }

  private static func profile(_ revision: Revision, _ capabilities: ServerCapabilities) -> Cluster.Profile {
    Cluster.Profile(
      transport: .stdio, revision: revision, offer: ServerOffer(alias: "a", capabilities: capabilities))
  }

  private static func lists(_ revision: Revision, _ tools: [String]) -> UpstreamLists {
    let entries = tools.map { #"{"name":"\#($0)","inputSchema":{"type":"object"}}"# }.joined(separator: ",")
    return UpstreamLists(
      alias: "a", revision: revision, isHTTP: false, pages: [.tools: [Array(#"{"tools":[\#(entries)]}"#.utf8)]])
  }

  @Test("a face has the number, the alias and the stake of its server, and an id of its own")
  func shared() {
    #expect(face.number == first.number && face.alias == first.alias && face.first === first.first)
    #expect(face.id != first.id && face.key != first.key && face.isSecondFace && !first.isSecondFace)
    #expect(face.droppedLog === first.droppedLog)
    #expect(face.health.profile == nil, "it fares by itself")
    first.update(.down(reason: "x", retryAt: 0, first.profile))
    face.update(.ready(Self.profile(.newestLegacy, [])))
    if case .down = face.health { Issue.record("it went down with the other") }
  }

  @Test("what a client has settled goes on to a second face, and not back")
  func takingOver() {
    #expect(face.takesOver(from: first) && first.takesOver(from: first) && face.takesOver(from: face))
    #expect(!first.takesOver(from: face))
    first.becomeSecondFace()
    #expect(first.isSecondFace)
  }

  @Test("servers of one era make one catalogue, which stays the same object while nothing changes")
  func one() {
    let old = Catalogues(.empty([first], GatewayConfiguration()))
    #expect(old.areOne && old[.legacy] === old[.modern] && old.each.count == 1)
    let same = Catalogues(.empty([first], GatewayConfiguration())).keeping(old)
    #expect(same.areSame(as: old) && same.areOne)
  }

  @Test("each era has its own, and one that changes leaves the other as it is")
  func two() {
    let configuration = GatewayConfiguration()
    let modern = ServedCatalogue.merge([Self.lists(.newest, ["m"])], [first], configuration)
    face.update(.ready(Self.profile(.newestLegacy, [.tools, .prompts])))
    let legacy = ServedCatalogue.merge([Self.lists(.newestLegacy, ["l"])], [face], configuration)
    let both = Catalogues(legacy: legacy, modern: modern)
    #expect(!both.areOne && both[.legacy] === legacy && both[.modern] === modern && both.each.count == 2)
    #expect(both[.legacy].offer(.all).capabilities.contains(.prompts))
    #expect(!both[.modern].offer(.all).capabilities.contains(.prompts))
    let again = Catalogues(
      legacy: .merge([Self.lists(.newestLegacy, ["l", "k"])], [face], configuration),
      modern: .merge([Self.lists(.newest, ["m"])], [first], configuration)
    ).keeping(both)
    #expect(again.modern === modern && again.legacy !== legacy && !again.areSame(as: both))
    #expect(again.legacy.changes(since: legacy)[.all].contains(.tools))
    #expect(again.modern.changes(since: modern).isEmpty)
  }

  @Test("where two become one, or one two, clients of each era hear of what they see differently, and of nothing else")
  func joining() {
    let configuration = GatewayConfiguration()
    let modern = ServedCatalogue.merge([Self.lists(.newest, ["m"])], [first], configuration)
    let legacy = ServedCatalogue.merge([Self.lists(.newestLegacy, ["l"])], [face], configuration)
    let (one, two) = (Catalogues(modern), Catalogues(legacy: legacy, modern: modern))
    for changes in [Catalogues.Changes(one, since: two), Catalogues.Changes(two, since: one)] {
      #expect(changes.legacy[.all] == .tools && changes.modern.isEmpty)
    }
    let gone = Catalogues.Changes(Catalogues(legacy), since: two)
    #expect(gone.legacy.isEmpty && gone.modern[.all] == .tools)
    #expect(Catalogues.Changes(two, since: two).isEmpty)
  }

  @Test("what a face that has not answered may bring is promised, besides what is known")
  func promises() {
    func offer(_ promising: Set<Int>) -> ServerCapabilities {
      ServedCatalogue.merge([nil], [first], GatewayConfiguration(), promising: promising).offer(.all).capabilities
    }
    #expect(offer([]) == [.tools, .toolsListChanged])
    #expect(offer([first.number]).isSuperset(of: [.tools, .prompts, .promptsListChanged, .resources, .logging]))
  }

  @Test("a problem of both is told once")
  func problems() {
    let configuration = GatewayConfiguration()
    let modern = ServedCatalogue.merge([Self.lists(.newest, ["m", "m"])], [first], configuration)
    let legacy = ServedCatalogue.merge([Self.lists(.newestLegacy, ["m", "m", "l", "l"])], [face], configuration)
    #expect(Catalogues(legacy: legacy, modern: modern).problems.count == 2)
  }
}
