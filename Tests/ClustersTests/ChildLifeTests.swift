import Configuration
import ConfigurationSyntax
import Testing

@testable import Clusters

@Suite("The life of a child")
struct ChildLifeTests {
  private func cluster(
    _ kind: GatewayConfiguration.Server.Kind, _ isolation: GatewayConfiguration.Server.Isolation = .shared,
    idleStop: Duration? = nil, _ change: (inout GatewayConfiguration.Restarts) -> Void = { _ in }
  ) throws -> Cluster {
    var server = GatewayConfiguration.Server(alias: "a", kind: kind, position: SourcePosition(file: ""))
    server.isolation = isolation
    server.idleStop = idleStop
    change(&server.restarts)
    return try Cluster(Cluster.Name(number: 0, id: 1), server: server, connectTimeout: 1000)
  }

  private var command: GatewayConfiguration.Server.Kind { .command(.init(command: "run")) }

  @Test("is known of commands alone")
  func kinds() throws {
    let url = try EndpointURL(parsing: "http://h/")
    #expect(ChildLife(of: try cluster(.url(.init(endpoints: [.init(url: url)])))) == nil)
    #expect(ChildLife(of: Cluster(embedded: "demo", Cluster.Name(number: 0, id: 1))) == nil)
    #expect(ChildLife(of: try cluster(command)) != nil)
  }

  @Test("ends after a death that comes too soon after so many restarts, and begins again with a reset")
  func limit() throws {
    let cluster = try cluster(command) { ($0.limit, $0.window) = (3, .seconds(60)) }
    var life = try #require(ChildLife(of: cluster, seed: 1))
    var now: UInt64 = 1000
    for round in 0..<2 {
      for attempt in 0..<3 {
        life.begins(now: now)
        cluster.deaths.add("exited with status \(attempt)")
        guard case .again(let delay) = life.ended(now: now) else { return #expect(Bool(false), "\(round), \(attempt)") }
        #expect(delay > 0)
        now += delay
      }
      life.begins(now: now)
      cluster.deaths.add("exited with status 7")
      #expect(life.ended(now: now) == .failed("it died 4 times within 1m, and exited with status 7 at last"))
      life.reset(now: now)
    }
  }

  @Test("goes on where deaths are further apart")
  func window() throws {
    let cluster = try cluster(command) { ($0.limit, $0.window) = (1, .seconds(5)) }
    var life = try #require(ChildLife(of: cluster, seed: 1))
    var now: UInt64 = 1000
    for _ in 0..<20 {
      life.begins(now: now)
      now += 6000
      cluster.deaths.add("was ended by signal 9")
      guard case .again(let delay) = life.ended(now: now) else { return #expect(Bool(false)) }
      now += delay
    }
  }

  @Test("may stop while nobody uses it, and begins when somebody does")
  func idleness() throws {
    let cluster = try cluster(command, idleStop: .seconds(10)) { $0.limit = 0 }
    var life = try #require(ChildLife(of: cluster, seed: 1))
    #expect(life.untilIdle(now: 1000) == nil, "it does not run yet")
    life.begins(now: 1000)
    #expect(life.untilIdle(now: 1000) == 10_000)
    life.used(until: 4000)
    #expect(life.untilIdle(now: 6000) == 8000 && life.untilIdle(now: 20_000) == 0)
    life.stopped(now: 20_000)
    #expect(life.untilIdle(now: 30_000) == nil)
    life.begins(now: 40_000)
    #expect(life.untilIdle(now: 41_000) == 9000)
    cluster.deaths.add("exited with status 1")
    #expect(life.ended(now: 41_000) == .failed("it died, and exited with status 1 at last"))
  }

  @Test("has no pause where it is not asked for, or not everybody's")
  func restless() throws {
    for (isolation, idleStop) in [
      (GatewayConfiguration.Server.Isolation.shared, nil), (.session, Duration.seconds(1)), (.principal, .seconds(1)),
    ] {
      var life = try #require(ChildLife(of: try cluster(command, isolation, idleStop: idleStop), seed: 1))
      life.begins(now: 0)
      #expect(life.untilIdle(now: 5000) == nil)
    }
  }

  @Test("counts no look that came to nothing without a death, nor deaths on the way to an answer")
  func others() throws {
    let cluster = try cluster(command) { ($0.limit, $0.window) = (0, .seconds(5)) }
    var life = try #require(ChildLife(of: cluster, seed: 1))
    for now: UInt64 in 1...50 {
      life.begins(now: now)
      #expect(life.ended(now: now) == .alive)
    }
    // Many servers of the legacy era exit on a request before `initialize`.
    cluster.deaths.add("exited with status 1")
    life.answered()
    #expect(life.ended(now: 100) == .alive)
    cluster.deaths.add("exited with status 2")
    #expect(life.ended(now: 101) == .failed("it died, and exited with status 2 at last"))
  }
}
