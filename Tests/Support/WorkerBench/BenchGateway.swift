import CReactor
import Configuration
import Logging
import Synchronization

@testable import Calls
@testable import Clusters
@testable import Delivery
@testable import Federation
@testable import Gateway
@testable import Lifecycle
@testable import Links
@testable import OpenCalls
@testable import Reactor
@testable import ServedCatalogue
@testable import Sessions
@testable import UpstreamClient
@testable import UpstreamRequests
@testable import Workers

private final class Doors: Sendable {
  let areOpen = Atomic<Bool>(false)
}

/// A whole gateway in one thread: real workers, the real control loop, connections in memory, and time that moves when it
/// is told to. The one place of the tests that knows what a gateway is made of; those who use it know what goes in and
/// what comes out.
final class BenchGateway {
  private let state: GatewayState
  private let workers: [Worker]
  private let controlWorker: Worker
  private let federation: Federation
  private let doorkeeper: Doorkeeper
  private let doors = Doors()
  private var listeners: [MemoryListener] = []
  private(set) var isDraining = false

  /// - Parameter hosts: whose connections of the gateway go to whom. They must live as long as the gateway.
  init(
    _ configuration: GatewayConfiguration, workers count: Int, hosts: [String: Interceptor],
    lookup: NameLookup = .system,
    logger: Logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
  ) throws {
    let clusters = try ClusterSet(configuration)
    state = GatewayState(Settings(configuration), clusters: clusters.served, workerCount: count, debugEcho: false)
    var options = EventLoop.Options()
    options.manualClock = true
    let state = state
    let made = try (0...count).map { try Worker(index: $0, gateway: state, options: options, logger: logger) }
    for worker in made { state.group.register(worker.loop.handle) }
    workers = Array(made[..<count])
    controlWorker = made[count]
    federation = Federation(state, controlWorker, clusters, lookup: lookup, logger: logger)
    doorkeeper = Doorkeeper(federation)
    state.setControl(federation)
    for (host, interceptor) in hosts { intercept(host, interceptor) }
    for worker in made { worker.expiry.begin() }
    listeners = workers.map { MemoryListener($0.loop, label: ListenerLabel.http, limits: HTTPLimits()) }
    let doors = doors
    doorkeeper.begin(configuration) { doors.areOpen.store(true, ordering: .relaxed) }
  }

  // MARK: Turns and time

  /// What the workers do with what clients say.
  var calls: [Calls] { workers.map(\.calls) }
  var workerCount: Int { workers.count }
  /// The workers' loops and, as the last, the control loop.
  var loops: [EventLoop] { (workers + [controlWorker]).map(\.loop) }

  /// Every upstream has answered or was waited for long enough, and clients are let in.
  var isReady: Bool { doors.areOpen.load(ordering: .relaxed) }

  func advance(_ milliseconds: UInt64) {
    for loop in loops { loop.advance(milliseconds: milliseconds) }
  }

  // MARK: Connections

  func intercept(_ host: String, _ interceptor: Interceptor) {
    for loop in loops { interceptor.intercept(host, on: loop) }
  }

  /// A client connects to a worker; nil if it is turned away.
  func accept(on worker: Int, _ faults: cr_fault_plan = cr_fault_plan()) -> MemoryPeer? {
    listeners[worker].accept(faults)
  }

  /// Listeners beside those of `accept`, one for each worker, that speak TLS with this identity.
  func listen(as identity: OpaquePointer) -> [MemoryListener] {
    let made = workers.map {
      MemoryListener($0.loop, label: ListenerLabel.http, limits: HTTPLimits(), identity: identity)
    }
    listeners += made
    return made
  }

  // MARK: Lifecycle

  /// Goes over to another configuration, as on SIGHUP. What it did, or why nothing, is there after some turns.
  func reload(_ configuration: GatewayConfiguration, _ done: @escaping @Sendable (String) -> Void) {
    federation.reload(Settings(configuration, loops: loops.count)) { result in
      switch result {
      case .success(let changes): done(changes.text)
      case .failure(let fault): done(fault.description)
      }
    }
  }

  /// Answers what is there and what still comes, each as the last of its connection.
  func drain() {
    guard !isDraining else { return }
    isDraining = true
    state.group.phase.startDraining(hasSuccessor: false)
    for worker in workers { worker.drain.begin() }
  }

  func beginEnding() {
    drain()
    federation.end()
  }

  func finishEnding() {
    for worker in workers { worker.drain.end() }
    controlWorker.drain.end(federation)
    for listener in listeners { listener.stop() }
  }

  /// Lets go of what knows each other; nothing may be asked of it any more.
  func dissolve() { state.setControl(nil) }

  // MARK: What it counts

  /// Bytes of messages that went to clients, by the name of their transport on the metrics page.
  var sentBytes: [String: Int] {
    var sent: [String: Int] = [:]
    for tally in Tally.allCases where tally.metric == "sluice_sent_bytes_total" {
      sent[tally.label.value] = Int(state.group.total(of: tally))
    }
    return sent
  }

  // MARK: What it holds

  /// Calls that are on their way, and what is kept for them: nothing while nobody waits for anything.
  var unfinished: [String] {
    var found = Findings()
    for worker in workers {
      let name = "on worker \(worker.index)"
      found.expect("calls \(name)", worker.calls.inFlight.count)
      found.expect("requests \(name)", worker.upstream.requests.ids { !$0.isGatewaysOwn }.count)
      found.expect("reverse requests \(name)", worker.calls.inFlight.reverses.count)
      found.expect("lingering connections \(name)", worker.upstream.requests.connections.lingeringCount)
      found.expect("calls in flight \(name)", worker.upstream.requests.stakes.callsInFlight)
    }
    return found.texts
  }

  /// What should be gone once every client is.
  func leftovers(ended: Bool) -> [String] {
    var found = Findings()
    found.expect("sessions", state.sessions.table.size)
    found.expect("bytes held for clients", state.group.holdings.total)
    for cluster in state.shelf.clusters {
      for endpoint in cluster.endpoints {
        let permits = endpoint.permits.now
        let pooled = (workers + [controlWorker]).reduce(0) { $0 + $1.upstream.requests.stakes.pooled(endpoint) }
        found.expect("permits for \(endpoint.shown) that nobody has", permits.held - pooled)
        found.expect("connections to \(endpoint.shown) beyond its pool", max(0, permits.held - permits.limit))
      }
      found.expect("interests in \(cluster.alias)", state.sessions.interests.wanted(of: cluster.number).count)
    }
    for worker in workers {
      let name = "on worker \(worker.index)"
      found.expect("calls \(name)", worker.calls.inFlight.count)
      found.expect("requests \(name)", worker.upstream.requests.count)
      found.expect("reverse requests \(name)", worker.calls.inFlight.reverses.count)
      found.expect("stream readers \(name)", worker.delivery.streams.count)
      found.expect("WebSockets \(name)", worker.delivery.sockets.count)
      found.expect("listens \(name)", worker.delivery.listens.count)
      found.expect("lingering connections \(name)", worker.upstream.requests.connections.lingeringCount)
      found.expect("browsers \(name)", worker.delivery.answers.pageCount)
      found.expect("calls in flight \(name)", worker.upstream.requests.stakes.callsInFlight)
      found.expect("client connections \(name)", worker.loop.downstreamCount)
      found.expect("bytes held \(name)", Int(worker.loop.counts.held))
      found.expect("broken connections \(name)", Int(worker.loop.counts.broken))
    }
    for worker in workers + [controlWorker] {
      found.expect(
        "clusters that have left, held on loop \(worker.index)", worker.upstream.requests.stakes.heldThatLeft)
    }
    // What the control plane has open at the end goes with the process.
    for worker in ended ? workers : workers + [controlWorker] {
      let sockets = worker.upstream.links.socketCount
      let pooled = worker.upstream.requests.connections.count
      let known = pooled + (ended ? 0 : worker.upstream.streams.count + sockets)
      found.expect(
        "upstream connections on loop \(worker.index) that nobody knows", Int(worker.loop.counts.upstream) - known)
    }
    return found.texts
  }

  private struct Findings {
    var texts: [String] = []

    mutating func expect(_ what: String, _ count: Int) {
      if count != 0 { texts.append("\(count) \(what)") }
    }
  }
}
