import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite("Settings of a server's endpoints")
struct EndpointSettingsTests {
  typealias Routing = GatewayConfiguration.Routing

  private func server(_ text: String, _ general: String = "") throws -> GatewayConfiguration.Server {
    try #require(try load("servers: {a: {\(text)}}\n\(general)").configuration.servers.first)
  }

  /// What is said beside mistakes.
  private func warnings(_ yaml: String) throws -> [String] {
    try load(yaml).diagnostics.filter { $0.severity == .warning }.map(\.message)
  }

  // MARK: What is read

  @Test("are those for all servers, key by key replaced by its own")
  func overrides() throws {
    let general = """
      pool: {size: 7, overflow: 9, max_age: 1h}
      routing: {algorithm: round_robin, breaker: {window: 3s}, retry: {attempts: 2}}
      """
    let own = try server(
      "command: x, pool: {size: 3, max_age: off}, routing: {key: principal, breaker: {failure_rate: 0}}", general)
    #expect(own.pool.size == 3 && own.pool.overflow == 9 && own.pool.maximumAge == nil)
    #expect(own.routing.algorithm == .roundRobin && own.routing.key == .principal)
    #expect(own.routing.breaker.failureRate == 0 && own.routing.breaker.window == .seconds(3))
    #expect(own.routing.retry.attempts == 2)
    let other = try server("command: x", general)
    #expect(other.pool.size == 7 && other.pool.maximumAge == .seconds(3600) && other.routing.algorithm == .roundRobin)
  }

  @Test("are replaced whatever a variable or a flag says for all servers")
  func layers() throws {
    let yaml = "servers: {a: {command: x, pool: {size: 3}}, b: {command: x}}"
    let loaded = try load(
      yaml, environment: ["SLUICE_POOL_SIZE": "5", "SLUICE_ROUTING_RETRY_ATTEMPTS": "1"],
      flags: [.init(path: "pool.overflow", flag: "--overflow", value: "0")])
    let servers = loaded.configuration.servers
    #expect(servers.map(\.pool.size) == [3, 5] && servers.map(\.pool.overflow) == [0, 0])
    #expect(servers.map(\.routing.retry.attempts) == [1, 1])
  }

  @Test("may hold variables, and mistakes that are told once and where they stand")
  func reading() throws {
    let yaml = "servers:\n  a:\n    command: x\n    pool: {size: \"${SIZE}\"}"
    #expect(try load(yaml, environment: ["SIZE": "4"]).configuration.servers[0].pool.size == 4)
    let found = mistakes(yaml, environment: ["SIZE": "many"])
    #expect(found.map(\.message) == ["`servers.a.pool.size` has the wrong form"] && found[0].position.line == 4)
    #expect(mistakes("servers: {a: {command: x, routing: {algorithm: least_connections}}}").count == 1)
    #expect(mistakes("pool: {strategy: lifoo}")[0].suggestion == "lifo")
  }

  @Test("hold what a child may take and how often it may die")
  func children() throws {
    let own = try server(
      "command: x, replicas: 3, restarts: {limit: 0, window: 5s}, idle_stop: 10m, "
        + "limits: {memory: 512MiB, cpu: 0.5, descriptors: 256, processes: 20}, trust_hints: true")
    #expect(own.replicas == 3 && own.trustHints && own.idleStop == .seconds(600))
    #expect(own.restarts.limit == 0 && own.restarts.window == .seconds(5))
    let limits = own.childLimits
    #expect(limits.memory == 512 << 20 && limits.milliCPUs == 500 && limits.descriptors == 256)
    #expect(limits.processes == 20 && !limits.areNone)
    let plain = try server("command: x, idle_stop: off, limits: {memory: off, cpu: off}")
    #expect(plain.idleStop == nil && plain.childLimits.areNone && plain.restarts.limit == 10)
  }

  @Test("refuse a child what none can live with", arguments: ["memory: 5", "cpu: 0", "cpu: 0.0001", "descriptors: 3"])
  func tooLittle(limit: String) {
    #expect(mistakes("servers: {a: {command: x, limits: {\(limit)}}}").count == 1)
  }

  // MARK: Keys

  @Test(
    "name what calls are kept together by",
    arguments: [
      ("session", Routing.Key.session), ("client", .client), ("principal", .principal),
      ("header:X-Tenant", .header("x-tenant")), ("argument:project", .argument("project")),
      ("argument:a b:c", .argument("a b:c")),
    ])
  func keys(text: String, key: Routing.Key) throws {
    #expect(try load("routing: {key: \"\(text)\"}").configuration.routing.key == key)
  }

  @Test(
    "teach what a key may be",
    arguments: [
      ("sesion", "there is no key `sesion`", "session"), ("header", "it does not say which header", "header:x-tenant"),
      ("argument:", "it does not say which argument", "argument:project"),
      ("header: X-Tenant", "`\u{20}X-Tenant` can't be the name of a header", "header:X-Tenant"),
      ("header:a b", "`a b` can't be the name of a header", nil),
      ("Header:x", "`Header` is nothing that has a name", "header:x"),
      ("argument: x", "there is a blank around the name of the argument", "argument:x"),
      ("header:Mcp-Session-Id", "the id of a session is its key already", "session"),
      ("cookie:x", "`cookie` is nothing that has a name", nil),
    ])
  func noKeys(text: String, why: String, meant: String?) {
    let found = mistakes("routing: {key: \"\(text)\"}")
    #expect(found.map(\.message) == ["`routing.key` has the wrong form: \(why)"])
    #expect(found.first?.suggestion == meant)
    #expect(found.first?.expected == "`session`, `client`, `principal`, `header:NAME` or `argument:NAME`")
  }

  // MARK: What does not go together

  @Test(
    "are refused where one value forbids another",
    arguments: [
      ("pool: {min_idle: 5, size: 4}", "`pool.min_idle` (5) can't be more than `pool.size` (4)"),
      ("pool: {min_idle: 101}", "`pool.min_idle` (101) can't be more than `pool.size` (100, the default)"),
      (
        "routing: {breaker: {open_time: 2m}}",
        "`routing.breaker.open_time` (2m) can't be longer than `routing.breaker.open_time_max` (1m, the default)"
      ),
      (
        "routing: {outliers: {ejection_time: 6m}}",
        "`routing.outliers.ejection_time` (6m) can't be longer than "
          + "`routing.outliers.ejection_time_max` (5m, the default)"
      ),
      (
        "routing: {retry: {backoff_max: 10ms}}",
        "`routing.retry.backoff` (25ms, the default) can't be longer than `routing.retry.backoff_max` (10ms)"
      ),
    ])
  func clashes(sections: String, message: String) {
    #expect(mistakes("servers: {a: {command: x}, b: {command: x}}\n\(sections)").map(\.message) == [message])
  }

  @Test("are refused where a server's own value does not go with one for all")
  func ownClashes() {
    let found = mistakes("servers:\n  a: {command: x, pool: {min_idle: 5}}\npool: {size: 4}")
    #expect(found.map(\.message) == ["`servers.a.pool.min_idle` (5) can't be more than `pool.size` (4)"])
    #expect(found[0].position.line == 2)
  }

  @Test("bring a warning where a value is cut short by another")
  func cutShort() throws {
    #expect(
      try warnings("pool: {checkout_timeout: 90s}") == [
        "`pool.checkout_timeout` (90s) is longer than `call_timeout` (1m, the default): a call ends before it has "
          + "waited that long for a connection"
      ])
    let slow = try load("routing: {health_check_interval: 1s, health_check_timeout: 3s}")
    #expect(slow.diagnostics.map(\.severity) == [.warning])
    #expect(slow.configuration.routing.healthCheckTimeout == .seconds(1))
  }

  @Test("have a default give way to what was set, without a word")
  func givesWay() throws {
    let loaded = try load(
      "servers: {a: {command: x}, b: {command: x, routing: {health_check_interval: 1h}}}\n"
        + "routing: {health_check_interval: 1s}\ncall_timeout: 1s")
    #expect(loaded.diagnostics.isEmpty)
    #expect(loaded.configuration.servers.map(\.routing.healthCheckTimeout) == [.seconds(1), .seconds(5)])
  }

  @Test("belong to one kind of server")
  func kinds() {
    let found = mistakes(
      """
      servers:
        a: {url: "http://h", replicas: 2, restarts: {limit: 1}, idle_stop: 1m, limits: {memory: 1GiB}}
        b: {command: x, resolve: all}
        c: {command: x, endpoints: ["http://h"]}
      """)
    #expect(found.map(\.position.line) == [2, 2, 2, 2, 3, 4])
    #expect(found[0].message == "`replicas` of `a` has no meaning here")
  }

  @Test("follow names where they are told to, and there are any")
  func names() throws {
    let loaded = try load(
      """
      servers:
        a: {url: "http://h/mcp", resolve: all}
        b: {url: "http://h/mcp"}
        c: {url: "http://192.0.2.1/mcp", endpoints: ["http://[2001:db8::1]/mcp"], resolve: all}
        d: {url: "http://192.0.2.1/mcp", endpoints: ["http://h/mcp"], resolve: all}
      """)
    #expect(loaded.configuration.servers.map(\.followsNames) == [true, false, false, true])
    #expect(loaded.diagnostics.isEmpty)
  }

  @Test("have each endpoint once")
  func twice() {
    let found = mistakes("servers: {a: {url: \"http://h/\", endpoints: [\"http://H:80\", {url: \"http://h/2\"}]}}")
    #expect(found.map(\.message) == ["`a` has the same endpoint twice"])
    #expect(found[0].expected == "each URL once; more `weight` gives one a larger share")
  }

  @Test("may be as many and as heavy as there can be: the ring bounds its points itself")
  func rings() throws {
    let heavy = (0..<10).map { "{url: \"http://h\($0)\", weight: 1000}" }.joined(separator: ", ")
    #expect(mistakes("servers: {a: {endpoints: [\(heavy)]}}\nrouting: {vnodes: 1000}").isEmpty)
    #expect(mistakes("servers: {a: {command: x, replicas: 1000}}\nrouting: {vnodes: 1000}").isEmpty)
  }

  @Test(
    "bring a warning where they have no effect",
    arguments: [
      ("command: x, isolation: session, replicas: 2", "`replicas` of `a`"),
      ("command: x, isolation: principal, idle_stop: 1m", "`idle_stop` of `a`"),
      ("command: x, routing: {retry: {hedge_reads: true}}", "`hedge_reads` of `a`"),
    ])
  func pointless(server: String, subject: String) throws {
    let said = try warnings("servers: {a: {\(server)}}")
    #expect(said.count == 1 && said[0].hasPrefix("\(subject) has no effect"))
  }

  @Test(
    "bring none where they have one",
    arguments: [
      "command: x, replicas: 2",
      "command: x, isolation: principal, replicas: 2", "command: x, idle_stop: 1m",
      "command: x, replicas: 2, routing: {retry: {hedge_reads: true}}",
    ])
  func effective(server: String) throws {
    #expect(try warnings("servers: {a: {\(server)}}\nrouting: {retry: {hedge_reads: true}}") == [])
  }
}
