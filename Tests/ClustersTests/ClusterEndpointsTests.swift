import Configuration
import ConfigurationSyntax
import MCP
import Routing
import Testing
import Upstream
import Workers

@testable import Clusters

/// The endpoints of a server, and which of them are asked.
@Suite("The endpoints of a cluster")
struct ClusterEndpointsTests {
  private func cluster(
    _ urls: [String] = ["http://a/mcp", "http://b/mcp", "http://c/mcp"],
    _ change: (inout GatewayConfiguration.Server) -> Void = { _ in }
  ) throws -> Cluster {
    let endpoints = try urls.map { GatewayConfiguration.Endpoint(url: try EndpointURL(parsing: $0)) }
    var server = GatewayConfiguration.Server(
      alias: "far", kind: .url(.init(endpoints: endpoints)), position: SourcePosition(file: "f", line: 1))
    change(&server)
    return try Cluster(.init(number: 0, id: 7), server: server, connectTimeout: 1)
  }

  private let keys = (0..<200).map { RoutingKey(high: UInt64($0), low: 1) }

  @Test("are the URLs of a server, or as many processes as a command has replicas")
  func places() throws {
    let far = try cluster()
    #expect(far.hasSeveralEndpoints && far.endpoints.map(\.index) == [0, 1, 2])
    #expect(far.endpoints.allSatisfy { $0.address != nil } && Set(far.endpoints.map(\.id)).count == 3)
    var server = GatewayConfiguration.Server(
      alias: "near", kind: .command(.init(command: "x")), position: SourcePosition(file: "f", line: 1))
    server.replicas = 2
    let near = try Cluster(.init(number: 1, id: 8), server: server, connectTimeout: 1)
    #expect(near.endpoints.map(\.shown) == ["near#1", "near#2"] && near.first.address == nil)
    #expect(!(try cluster(["http://a/mcp"])).hasSeveralEndpoints)
    #expect(Cluster(faceOf: far, id: 9, isSecond: true).endpoints[1] === far.endpoints[1])
    // Each face has processes of its own: that one of them is gone says nothing of the other's.
    let face = Cluster(faceOf: near, id: 9, isSecond: true)
    #expect(face.endpoints.map(\.identity) == near.endpoints.map(\.identity))
    #expect(face.endpoints[1] !== near.endpoints[1] && face.endpoints[1].key != near.endpoints[1].key)
    near.endpoints[0].standing.update(.unhealthy)
    #expect(face.endpoints[0].standing.health == .usable)
  }

  @Test("are each the home of some keys, and the same in every process")
  func homes() throws {
    let (one, other) = (try cluster(), try cluster(["http://c/mcp", "http://a/mcp", "http://b/mcp"]))
    let homes = keys.map { one.home(of: $0, now: 0) }
    #expect(Set(homes) == [0, 1, 2])
    for (key, home) in zip(keys, homes) {
      #expect(other.endpoints[other.home(of: key, now: 0)].identity == one.endpoints[home].identity)
    }
  }

  @Test("that do not answer are nobody's home, and nobody else's moves")
  func down() throws {
    let cluster = try cluster()
    let before = keys.map { cluster.home(of: $0, now: 0) }
    cluster.endpoints[1].standing.update(.unhealthy)
    let after = keys.map { cluster.home(of: $0, now: 0) }
    #expect(!after.contains(1))
    for (before, after) in zip(before, after) where before != 1 { #expect(before == after) }
    #expect(cluster.candidates(now: 0) == [0, 2, 1])
  }

  @Test("that are out as outliers are a home only where no other is")
  func ejected() throws {
    let cluster = try cluster()
    cluster.endpoints[0].standing.update(.ejected)
    #expect(!keys.contains { cluster.home(of: $0, now: 0) == 0 })
    cluster.endpoints[1].standing.update(.unhealthy)
    cluster.endpoints[2].standing.update(.unhealthy)
    #expect(keys.allSatisfy { cluster.home(of: $0, now: 0) == 0 })
  }

  @Test("that no breaker lets anybody to are down, and count as usable again when they may be probed")
  func breaker() throws {
    let cluster = try cluster { $0.routing.restartGrace = .zero }
    let breaker = cluster.endpoints[2].standing.breaker
    var tally = OutcomeTallyOfTest()
    for _ in 0..<3 { tally.fail(breaker, now: 100) }
    #expect(cluster.endpoints[2].standing.condition(now: 101).standing == .down)
    #expect(cluster.candidates(now: 101).last == 2)
    #expect(cluster.endpoints[2].standing.condition(now: 5000).standing == .usable)
  }

  // MARK: Names that are followed

  /// A server that was found at these addresses, by the index that each has there.
  private func follow(_ addresses: [Int: String], in cluster: Cluster) throws {
    let changing = try #require(cluster.changing)
    changing.replace(
      members: addresses.sorted { $0.key < $1.key }.map { cluster.makeEndpoint($0.key, at: $0.value, of: 0)! })
  }

  /// The addresses where the keys belong.
  private func places(in cluster: Cluster) -> [String?] {
    keys.map { cluster.endpoint(cluster.home(of: $0, now: 0)).address?.address }
  }

  @Test("at addresses of a name are asked by the name, and lie on the ring by the address alone")
  func addresses() throws {
    let cluster = try cluster(["https://a:8443/mcp"]) { $0.resolve = .all }
    #expect(cluster.hasSeveralEndpoints && !cluster.hasAlternatives && cluster.members.map(\.index) == [0])
    try follow([1: "10.0.0.1", 2: "10.0.0.2", 3: "::1"], in: cluster)
    let endpoint = cluster.endpoint(1)
    let address = try #require(endpoint.address)
    #expect(address.host == "a" && address.address == "10.0.0.1" && address.port == 8443 && address.tls != nil)
    #expect(endpoint.requestHead == cluster.first.requestHead && endpoint.standing !== cluster.first.standing)
    #expect(endpoint.shown == "https://a:8443/mcp (10.0.0.1)" && cluster.hasAlternatives)
    #expect(Set(cluster.endpoints.map(\.id)).count == 4)
    let other = try self.cluster(["https://a:8443/mcp"]) { $0.resolve = .all }
    try follow([1: "::1", 2: "10.0.0.1", 7: "10.0.0.2"], in: other)
    #expect(places(in: cluster) == places(in: other) && Set(places(in: cluster)).count == 3)
  }

  @Test("that come take keys, those that go leave their own, and no other key moves")
  func movement() throws {
    let cluster = try cluster(["http://a/mcp"]) { $0.resolve = .all }
    let face = Cluster(faceOf: cluster, id: 9, isSecond: true)
    try follow([1: "10.0.0.1", 2: "10.0.0.2"], in: cluster)
    let before = places(in: cluster)
    try follow([1: "10.0.0.1", 2: "10.0.0.2", 3: "10.0.0.3"], in: cluster)
    let more = places(in: cluster)
    #expect(more.contains("10.0.0.3"))
    for (before, after) in zip(before, more) where after != "10.0.0.3" { #expect(before == after) }
    try follow([1: "10.0.0.1", 3: "10.0.0.3"], in: cluster)
    for (more, less) in zip(more, places(in: cluster)) where more != "10.0.0.2" { #expect(more == less) }
    #expect(cluster.candidates(now: 0).sorted() == [1, 3] && face.members.map(\.index) == [1, 3])
    // What was begun with one that has left is still found by its index.
    #expect(cluster.endpoint(2).address?.address == "10.0.0.2")
  }

  @Test("that lead come first of their like")
  func leader() throws {
    let cluster = try cluster()
    cluster.leader = 2
    #expect(cluster.candidates(now: 0) == [2, 0, 1])
  }
}

/// Calls that fail, as a worker tells of them.
private struct OutcomeTallyOfTest {
  private var tally = OutcomeTally()

  mutating func fail(_ breaker: CircuitBreaker, now: UInt64) {
    guard case .admitted(let pass) = breaker.admit(now: now) else { return }
    _ = breaker.ended(pass, .failure(.timeout), &tally, now: now)
  }
}
