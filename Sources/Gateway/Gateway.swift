import Configuration
import Logging
import MCP
import Reactor
import Synchronization

/// The running gateway: workers on threads of their own, the control loop, and their listeners.
package final class Gateway {
  package let state: GatewayState
  package let httpPort: UInt16
  package let adminPort: UInt16
  private let workers: [Worker]
  private let controlWorker: Worker
  private let control: ControlPlane
  private let group: ListenerGroup
  private let logger: Logger
  private var threads: [Thread] = []

  /// What keeps the gateway from starting, for people.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// Binds and checks everything; nothing is served before `start`.
  package init(
    _ configuration: GatewayConfiguration, reaper: Reaper?, logger: Logger,
    admin: (GatewayState) -> any AdminService
  ) throws(Failure) {
    self.logger = logger
    let listeners = configuration.listeners
    let count = configuration.workers ?? System.processors
    do {
      httpPort = try Listener.probe(host: listeners.http.host, port: UInt16(listeners.http.port))
      adminPort = try Listener.probe(host: listeners.admin.host, port: UInt16(listeners.admin.port))
    } catch {
      throw Failure(description: error.description)
    }
    let connectTimeout = UInt32(clamping: configuration.limits.connectTimeout.milliseconds)
    var clusters: [Cluster] = []
    for (index, server) in configuration.servers.enumerated() {
      do {
        clusters.append(try Cluster(index: index, server: server, connectTimeout: connectTimeout))
      } catch {
        throw Failure(description: "\(server.position): \(server.alias): \(error)")
      }
    }
    if clusters.isEmpty { clusters = [Cluster(embedded: "demo")] }
    state = GatewayState(configuration: configuration, clusters: clusters, workerCount: count)
    var options = EventLoop.Options()
    options.writeHighWater = UInt32(clamping: configuration.limits.writeHighWater)
    options.writeLowWater = UInt32(clamping: configuration.limits.writeLowWater)
    options.reaper = reaper
    group = ListenerGroup(loops: count)
    do {
      var workers: [Worker] = []
      for index in 0..<count {
        let worker = try Worker(index: index, gateway: state, options: options, logger: logger)
        group.join(worker.loop)
        state.register(WorkerHandle(worker))
        workers.append(worker)
      }
      self.workers = workers
      controlWorker = try Worker(index: count, gateway: state, options: options, logger: logger)
      state.register(WorkerHandle(controlWorker))
    } catch {
      throw Failure(description: "\(error)")
    }
    controlWorker.adminService = admin(state)
    control = ControlPlane(gateway: state, worker: WorkerHandle(controlWorker), logger: logger)
    state.setControl(control)
  }

  /// Serves: the control loop at once, clients as soon as every upstream has answered or `first_list_wait` is over.
  package func start() throws(Failure) {
    var limits = HTTPLimits()
    let configured = state.configuration.limits
    limits.maxHead = UInt32(clamping: configured.head)
    limits.maxTarget = UInt32(clamping: configured.target)
    limits.maxHeaders = UInt32(clamping: configured.headers)
    limits.maxBody = UInt64(configured.body)
    limits.headTimeout = UInt32(clamping: configured.headTimeout.milliseconds)
    limits.bodyTimeout = UInt32(clamping: configured.bodyTimeout.milliseconds)
    limits.idleTimeout = UInt32(clamping: configured.idleTimeout.milliseconds)
    limits.perAddress = UInt32(clamping: configured.connectionsPerAddress)
    let listeners = state.configuration.listeners
    limits.maxConnections = UInt32(clamping: max(1, listeners.http.maxConnections / state.workerCount))
    do {
      _ = try controlWorker.loop.listen(
        host: listeners.admin.host, port: adminPort, group: nil, label: ListenerLabel.admin, limits: limits)
    } catch {
      throw Failure(description: "can't listen on \(listeners.admin.host) port \(adminPort): \(error)")
    }
    for worker in workers {
      worker.loop.startTimer(milliseconds: Worker.reapInterval, token: Worker.TimerToken.reap.rawValue)
      threads.append(WorkerHandle(worker).run(name: "sluice-\(worker.index)"))
    }
    threads.append(WorkerHandle(controlWorker).run(name: "sluice-control"))
    control.begin()
    openDoors(limits)
  }

  /// Lets clients in once every upstream has answered, or `first_list_wait` is over: until then the first list would
  /// lack what is about to come.
  private func openDoors(_ limits: HTTPLimits) {
    let handles = workers.map { WorkerHandle($0) }
    let opening = Opening(
      host: state.configuration.listeners.http.host, port: httpPort, group: group, limits: limits)
    WorkerHandle(controlWorker).post { worker in
      worker.waitForUpstreams(until: worker.now + worker.gateway.configuration.firstListWait.milliseconds) {
        for handle in handles { handle.post { $0.open(opening) } }
      }
    }
  }

  // MARK: The end

  /// Stops accepting, lets calls in flight finish for up to `drain_timeout`, and ends. `abrupt` is asked again and
  /// again whether there is no time for that.
  package func drain(abrupt: @escaping () -> Bool) {
    state.startDraining()
    let handles = workers.map { WorkerHandle($0) }
    for handle in handles { handle.post { $0.startDraining() } }
    var left = state.configuration.drainTimeout.milliseconds
    while left > 0, !abrupt(), state.busyWorkers.load(ordering: .relaxed) > 0 {
      System.sleep(milliseconds: 20)
      left = left > 20 ? left - 20 : 0
    }
    let all = handles + [WorkerHandle(controlWorker)]
    for handle in all { handle.post { $0.closeEverything() } }
    // Children get the time that an orderly end takes them.
    var grace: UInt64 = 6000
    while grace > 0, !abrupt(), state.liveLinks.load(ordering: .relaxed) > 0 {
      System.sleep(milliseconds: 20)
      grace -= 20
    }
    for handle in all { handle.stop() }
    for thread in threads { thread.join() }
    threads = []
  }
}

/// What a worker needs for its listening socket.
struct Opening: Sendable {
  var host: String
  var port: UInt16
  var group: ListenerGroup
  var limits: HTTPLimits
}

extension Worker {
  func open(_ opening: Opening) {
    do {
      listener = try loop.listen(
        host: opening.host, port: opening.port, group: opening.group, label: ListenerLabel.http, limits: opening.limits)
      gateway.openDoors.add(1, ordering: .releasing)
    } catch {
      logger.critical("can't listen on \(opening.host) port \(opening.port): \(error)")
    }
  }

  func waitForUpstreams(until deadline: UInt64, _ ready: @escaping () -> Void) {
    if now >= deadline || gateway.clusters.allSatisfy({ $0.hasAnswered }) { return ready() }
    after(milliseconds: 10) { [self] in waitForUpstreams(until: deadline, ready) }
  }

  /// No new connections; listening clients are sent away, calls go on.
  func startDraining() {
    if let listener { loop.stopListening(listener) }
    listener = nil
    endListens()
    for (connection, session) in streamReaders where !session.usesEventStream {
      loop.setTag(connection, 0)
      loop.endStream(connection)
      streamReaders[connection] = nil
    }
    loop.drainConnections()
    gateway.busyWorkers.add(1, ordering: .relaxed)
    reportWhenIdle()
  }

  private func reportWhenIdle() {
    guard exchanges.count > 0 else {
      gateway.busyWorkers.subtract(1, ordering: .relaxed)
      return
    }
    after(milliseconds: 10) { [self] in reportWhenIdle() }
  }

  /// Ends what is left: upstream sessions and children.
  func closeEverything() {
    for link in links.values { link.close() }
    for session in gateway.sessions.all where Int(session.id.worker) == index { end(session) }
  }
}
