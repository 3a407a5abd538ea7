import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Foundation
import MCP
import Synchronization

@testable import LogOfTest
@testable import Reactor

/// Whole workers on a bench: what clients and servers send goes in, what they get comes out, and the clock is in the
/// test's hand. There is no socket, no thread and no waiting.
///
///     let server = BenchUpstream("a")
///     let bench = try WorkerBench(server)
///     let call = try bench.client().call("a__echo", ["text": "hello"])
///     try server.next().answer(["content": []])
///     #expect(call.result["content"] == [])
///
/// After each act of a test everything comes to rest before the next line runs; `atOnce` puts several acts into one.
final class WorkerBench {
  let gateway: BenchGateway
  private var configuration: GatewayConfiguration
  private var upstreams: [BenchUpstream]
  private(set) var clients: [BenchClient] = []
  private let records: LogOfTest
  private var isBusy = false
  /// Milliseconds since the gateway has let clients in.
  private(set) var now: UInt64 = 0

  struct Failure: Error, CustomStringConvertible { let description: String }

  /// A gateway that has heard from these servers, or has waited long enough for them. Names carry their server's alias.
  convenience init(
    _ upstreams: BenchUpstream..., workers: Int = 1, names: BenchNames = BenchNames(), awaitsServers: Bool = true,
    _ configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws {
    try self.init(upstreams, workers: workers, names: names, awaitsServers: awaitsServers, configure)
  }

  /// The same for as many as a test makes.
  init(
    _ upstreams: [BenchUpstream], workers: Int = 1, names: BenchNames = BenchNames(), awaitsServers: Bool = true,
    _ configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws {
    self.upstreams = upstreams
    records = LogOfTest(from: .info)
    configuration = try Self.configuration(of: upstreams, configure)
    gateway = try BenchGateway(
      configuration, workers: workers,
      hosts: Dictionary(uniqueKeysWithValues: upstreams.map { ($0.host, $0.interceptor) }), lookup: names.lookup,
      logger: records.logger)
    for upstream in upstreams { upstream.bench = self }
    settle()
    guard awaitsServers else { return }
    try wait("the servers are never ready") { gateway.isReady }
    settle()
    now = 0
  }

  deinit { end() }

  private static func configuration(
    of upstreams: [BenchUpstream], _ configure: (inout GatewayConfiguration) -> Void
  ) throws -> GatewayConfiguration {
    var inputs = ConfigurationInputs()
    let firsts = upstreams.filter { $0.first == nil && $0.address == nil }
    let servers = JSONValue.object(Dictionary(uniqueKeysWithValues: firsts.map { ($0.alias, $0.entry) }))
    inputs.clientTexts = [JSONValue.object(["mcpServers": servers]).description]
    var configuration = try ConfigurationLoader.load(inputs, environment: [:]).configuration
    configuration.prefix = .always
    for upstream in upstreams {
      guard let isolation = upstream.isolation, upstream.address == nil else { continue }
      for place in configuration.servers.indices where configuration.servers[place].alias == upstream.alias {
        configuration.servers[place].isolation = isolation
      }
    }
    for upstream in upstreams {
      guard let first = upstream.first else { continue }
      for place in configuration.servers.indices where configuration.servers[place].alias == first.alias {
        try configuration.servers[place].add(endpoint: upstream.entry["url"].string ?? "")
      }
    }
    configure(&configuration)
    return configuration
  }

  // MARK: Time

  /// Lets time pass, in steps in which everything that is due happens.
  func advance(milliseconds: UInt64) {
    var left = milliseconds
    while left > 0 {
      let step = min(left, 20)
      left -= step
      now += step
      gateway.advance(step)
      settle()
    }
  }

  /// Several acts of clients and servers, of which the gateway hears in one go.
  func atOnce(_ acts: () throws -> Void) rethrows {
    let wasBusy = isBusy
    isBusy = true
    defer {
      isBusy = wasBusy
      settle()
    }
    try acts()
  }

  /// Turns until nothing moves any more. Within one it does nothing.
  func settle() {
    guard !isBusy else { return }
    isBusy = true
    defer { isBusy = false }
    var idle = 0
    for _ in 0..<100_000 {
      idle = turn() ? 0 : idle + 1
      if idle == 3 { return }
    }
    preconditionFailure("it never comes to rest: \(log.suffix(12).joined(separator: "\n"))")
  }

  private func turn() -> Bool {
    var moved = false
    for loop in gateway.loops where loop.step() { moved = true }
    for upstream in upstreams where upstream.step() { moved = true }
    for client in clients where client.step() { moved = true }
    return moved
  }

  /// Lets time pass until something holds, but not for longer than a start may take.
  private func wait(_ complaint: String, until condition: () -> Bool) throws {
    settle()
    for _ in 0..<1000 where !condition() { advance(milliseconds: 20) }
    guard condition() else { throw Failure(description: complaint) }
  }

  // MARK: Who takes part

  /// A client that has opened its session, if its revision has any.
  func client(
    _ revision: Revision = .newestLegacy, over transport: BenchClient.Transport = .http, worker: Int = 0,
    abilities: JSONValue = [:]
  ) throws -> BenchClient {
    let client = stranger(revision, over: transport, worker: worker, abilities: abilities)
    try client.open()
    return client
  }

  func client(_ kind: BenchClient.Kind, abilities: JSONValue = [:]) throws -> BenchClient {
    try client(kind.revision, over: kind.transport, abilities: abilities)
  }

  /// A client that has said nothing yet.
  func stranger(
    _ revision: Revision = .newestLegacy, over transport: BenchClient.Transport = .http, worker: Int = 0,
    abilities: JSONValue = [:]
  ) -> BenchClient {
    let client = BenchClient(revision, transport, worker: worker, abilities: abilities, on: self)
    clients.append(client)
    return client
  }

  func connect(to worker: Int) -> MemoryPeer? { gateway.accept(on: worker) }

  // MARK: Lifecycle

  /// Goes over to other servers, as on SIGHUP. What that did, for people.
  @discardableResult
  func reload(
    _ upstreams: BenchUpstream..., configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) throws -> String {
    var next = try Self.configuration(of: upstreams) { _ in }
    let servers = next.servers
    next = configuration
    next.servers = servers
    configure(&next)
    configuration = next
    for upstream in upstreams where !self.upstreams.contains(where: { $0 === upstream }) {
      upstream.bench = self
      self.upstreams.append(upstream)
      gateway.intercept(upstream.host, upstream.interceptor)
    }
    let news = News()
    gateway.reload(configuration) { text in news.text.withLock { $0 = text } }
    settle()
    return news.text.withLock { $0 }
  }

  private final class News: Sendable {
    let text = Mutex("")
  }

  /// The gateway is told to end: what is on its way gets there, and nothing new is begun.
  func drain() {
    gateway.drain()
    settle()
  }

  private func end() {
    for client in clients { client.leave() }
    settle()
    gateway.beginEnding()
    settle()
    gateway.finishEnding()
    // What waits for its next look at a server does so for half a minute at most.
    for _ in 0..<8 {
      gateway.advance(5000)
      settle()
    }
    gateway.dissolve()
  }

  // MARK: What is left

  /// Calls that are on their way, and what is kept for them.
  var unfinished: [String] { gateway.unfinished }

  /// Bytes of messages that went to clients, by the name of their transport on the metrics page.
  var sentBytes: [String: Int] { gateway.sentBytes }

  /// What is still there once every client has ended its session and gone, and every time is over.
  func leftovers() -> [String] {
    for client in clients { client.finish() }
    settle()
    for _ in 0..<(configuration.sessions.resumeWindow.milliseconds / 10_000 + 12) {
      gateway.advance(10_000)
      settle()
    }
    return gateway.leftovers(ended: false)
  }

  /// What was logged, each line with its level.
  var log: [String] { records.lines }
}

extension GatewayConfiguration.Server {
  mutating func add(endpoint url: String) throws {
    guard case .url(var remote) = kind else { return }
    remote.endpoints.append(GatewayConfiguration.Endpoint(url: try EndpointURL(parsing: url)))
    kind = .url(remote)
  }
}
