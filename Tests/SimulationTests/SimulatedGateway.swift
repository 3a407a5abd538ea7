import CReactor
import Configuration
import Logging
import MCP
import Synchronization

@testable import Gateway
@testable import Reactor

private final class Doors: Sendable {
  let areOpen = Atomic<Bool>(false)
}

/// A whole gateway in one thread: real workers, the real control plane, connections in memory, and time that moves when
/// it is told to.
final class SimulatedGateway {
  let state: GatewayState
  let workers: [Worker]
  let controlWorker: Worker
  private let listeners: [MemoryListener]
  private let secureListeners: [MemoryListener]
  private let control: ControlPlane
  private let doors = Doors()
  private(set) var isDraining = false

  /// - Parameter upstreams: by alias; each is served at `http://<alias>.test/mcp`.
  init(workers count: Int, upstreams: [String: ScriptedUpstream]) throws {
    var inputs = ConfigurationInputs()
    let servers = upstreams.keys.sorted().map { "\"\($0)\": {\"url\": \"http://\($0).test/mcp\"}" }
    inputs.clientTexts = ["{\"mcpServers\": {\(servers.joined(separator: ", "))}}"]
    var configuration = try ConfigurationLoader.load(inputs, environment: [:]).configuration
    configuration.prefix = .always
    configuration.callTimeout = .seconds(5)
    configuration.callTimeoutCeiling = .seconds(10)
    configuration.interactionTimeout = .seconds(20)
    configuration.sessions.idleTimeout = .seconds(120)
    configuration.sessions.resumeWindow = .seconds(10)
    var roster = Roster()
    let clusters = try roster.clusters(for: configuration)
    state = GatewayState(Settings(configuration), clusters: clusters, workerCount: count, debugEcho: false)
    let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
    var options = EventLoop.Options()
    options.manualClock = true
    let state = state
    let made = try (0...count).map { try Worker(index: $0, gateway: state, options: options, logger: logger) }
    for worker in made { state.register(WorkerHandle(worker)) }
    workers = Array(made[..<count])
    controlWorker = made[count]
    listeners = workers.map { MemoryListener($0.loop, label: ListenerLabel.http, limits: HTTPLimits()) }
    secureListeners = workers.map {
      MemoryListener($0.loop, label: ListenerLabel.http, limits: HTTPLimits(), identity: SimulatedIdentity.context)
    }
    control = ControlPlane(gateway: state, roster: roster, worker: WorkerHandle(controlWorker), logger: logger)
    state.setControl(control)
    for worker in made {
      for (alias, upstream) in upstreams { upstream.interceptor.intercept("\(alias).test", on: worker.loop) }
      worker.loop.startTimer(milliseconds: worker.reapInterval, token: Worker.TimerToken.reap.rawValue)
    }
    let doors = doors
    control.begin { doors.areOpen.store(true, ordering: .relaxed) }
  }

  var loops: [Worker] { workers + [controlWorker] }

  /// - Parameter habits: of a client that speaks TLS.
  func accept(on worker: Int, _ faults: cr_fault_plan, _ habits: SecurePeer.Habits?) -> MemoryPeer? {
    guard let habits else { return listeners[worker].accept(faults) }
    return secureListeners[worker].accept(faults, habits)
  }

  func advance(_ milliseconds: UInt64) {
    for worker in loops { worker.loop.advance(milliseconds: milliseconds) }
  }

  /// Every upstream has answered, and clients are let in.
  var isReady: Bool { doors.areOpen.load(ordering: .relaxed) }

  /// Answers what is there and what still comes, each as the last of its connection.
  func drain() {
    guard !isDraining else { return }
    isDraining = true
    state.group.phase.startDraining(hasSuccessor: false)
    for worker in workers { worker.startDraining() }
  }

  func beginEnding() {
    drain()
    control.end()
  }

  func finishEnding() {
    for worker in loops { worker.closeEverything() }
    for listener in listeners + secureListeners { listener.stop() }
  }

  /// What should be gone once every client is.
  func leftovers(ended: Bool) -> [String] {
    var found: [String] = []
    func expect(_ what: String, _ count: Int) {
      if count != 0 { found.append("\(count) \(what)") }
    }
    expect("sessions", state.sessions.size)
    expect("bytes held for clients", state.group.holdings.total)
    for cluster in state.clusters {
      expect("interests in \(cluster.alias)", state.interests.wanted(of: cluster.number).count)
    }
    for worker in workers {
      let name = "on worker \(worker.index)"
      expect("exchanges \(name)", worker.exchanges.count)
      expect("reverse requests \(name)", worker.reverses.takeAll { _ in true }.count)
      expect("stream readers \(name)", worker.streamReaders.count)
      expect("WebSockets \(name)", worker.sockets.places.count)
      expect("listens \(name)", worker.listens.count)
      expect("lingering connections \(name)", worker.lingering.count)
      expect("browsers \(name)", worker.browsers.count)
      expect("calls in flight \(name)", worker.stakes.values.reduce(0) { $0 + $1.callsInFlight })
      expect("client connections \(name)", worker.loop.downstreamCount)
      expect("bytes held \(name)", Int(worker.loop.counts.held))
      expect("broken connections \(name)", Int(worker.loop.counts.broken))
    }
    // What the control plane has open at the end goes with the process.
    for worker in ended ? workers : loops {
      let known = worker.stakes.values.reduce(0) { $0 + $1.pool.count } + (ended ? 0 : worker.upstreamStreams.count)
      expect("upstream connections on loop \(worker.index) that nobody knows", Int(worker.loop.counts.upstream) - known)
    }
    return found
  }
}
