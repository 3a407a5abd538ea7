import Configuration
import ConfigurationSyntax
import MCP
import Testing

@testable import Clusters

@Suite("An upstream as all workers see it")
struct ClusterTests {
  private func cluster(_ number: Int = 0, id: Int = 1, alias: String = "far") throws -> Cluster {
    let remote = GatewayConfiguration.Remote(endpoints: [.init(url: try EndpointURL(parsing: "http://h/mcp"))])
    let server = GatewayConfiguration.Server(
      alias: alias, kind: .url(remote), position: SourcePosition(file: "f", line: 1))
    return try Cluster(.init(number: number, id: id), server: server, connectTimeout: 1)
  }

  private func down(_ cluster: Cluster) { cluster.update(.down(reason: "gone", retryAt: 0, nil)) }

  @Test("a place that it has moved to for good is asked until it does not answer, another one until the next look")
  func moves() throws {
    let cluster = try cluster()
    let endpoint = cluster.first
    let configured = endpoint.requestHead
    endpoint.move(to: "/elsewhere", isPermanent: false)
    #expect(endpoint.currentURL?.target == "/elsewhere")
    #expect(String(decoding: endpoint.requestHead, as: UTF8.self).hasPrefix("POST /elsewhere HTTP/1.1\r\n"))
    cluster.forgetMoves()
    #expect(endpoint.currentURL?.target == "/mcp" && endpoint.requestHead == configured)
    endpoint.move(to: "/for-good", isPermanent: true)
    cluster.forgetMoves()
    #expect(endpoint.currentURL?.target == "/for-good" && endpoint.requestHead != configured)
    down(cluster)
    cluster.forgetMoves()
    #expect(endpoint.currentURL?.target == "/mcp" && endpoint.requestHead == configured)
  }

  @Test("that it has no streams is taken from a refusal, but what it gave once is refused for the moment")
  func streams() throws {
    for known in [Cluster.Streams.unknown, .given, .slow, .none] {
      for status in [405, 501, 401, 403, 409, 400, 404, 500, 503] {
        let cluster = try cluster()
        cluster.note(known)
        cluster.noteRefusal(status)
        let expected: Cluster.Streams =
          switch status {
          case 405, 501: .none
          case 401, 403, 409: known
          default: known == .given ? .given : .none
          }
        #expect(cluster.streams == expected, "\(status) after \(known)")
      }
    }
  }

  @Test("what was settled with it holds for what takes its place, but not for another era")
  func succession() throws {
    let (former, next, other) = (try cluster(), try cluster(id: 2), try cluster(1, id: 3))
    #expect(next.takesOver(from: former) && !other.takesOver(from: former))
    let face = Cluster(faceOf: next, id: 4, isSecond: true)
    #expect(face.takesOver(from: former) && face.takesOver(from: Cluster(faceOf: former, id: 5, isSecond: true)))
    #expect(!next.takesOver(from: face), "the modern era knows nothing of what the legacy one had")
    #expect(
      face.stakeID == next.stakeID && face.first === next.first && face.droppedLog === next.droppedLog
        && face.id != next.id)
  }

  @Test("the same server is the same wherever it stands in a file, and another with another time to connect")
  func sameness() throws {
    let cluster = try cluster()
    var server = try #require(cluster.server)
    server.position = SourcePosition(file: "g", line: 9)
    #expect(cluster.serves(server, connectTimeout: 1))
    #expect(!cluster.serves(server, connectTimeout: 2))
    server.isolation = server.isolation == .shared ? .session : .shared
    #expect(!cluster.serves(server, connectTimeout: 1))
  }

  @Test("that it lists too much is news once")
  func excess() throws {
    let cluster = try cluster()
    #expect(!cluster.noteExcess(false) && cluster.noteExcess(true) && !cluster.noteExcess(true))
    #expect(cluster.hasExcess && cluster.noteExcess(false) && !cluster.hasExcess)
  }

  @Test("it has answered once a probe has ended, well or not, and keeps its last good profile")
  func health() throws {
    let cluster = try cluster()
    #expect(!cluster.hasAnswered && !cluster.isReady && cluster.profile == nil)
    down(cluster)
    #expect(cluster.hasAnswered && !cluster.isReady)
    let offer = ServerOffer(alias: "far", capabilities: [])
    let profile = Cluster.Profile(transport: .streamableHTTP, revision: .newest, offer: offer)
    cluster.update(.ready(profile))
    #expect(cluster.isReady && cluster.profile === profile)
    cluster.update(.down(reason: "gone", retryAt: 9, cluster.profile))
    #expect(!cluster.isReady && cluster.profile === profile)
  }
}
