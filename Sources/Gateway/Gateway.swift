import Configuration
import Logging
import MCP
import Reactor
import Synchronization

/// The running gateway: workers on threads of their own, the control loop, and their listeners.
package final class Gateway {
  package let state: GatewayState
  package let httpPort: UInt16
  package let webSocketPort: UInt16
  package let adminPort: UInt16
  private let workers: [Worker]
  private let controlWorker: Worker
  private let control: ControlPlane
  private let group: ListenerGroup
  private let webSocketGroup: ListenerGroup
  private let childDescriptors: UInt64
  private let descriptors: UInt64
  private let logger: Logger
  private var threads: [Thread] = []
  let contexts: Mutex<ListenerContexts>

  /// What keeps the gateway from starting, for people.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// Binds and checks everything; nothing is served before `start`.
  package init(
    _ configuration: GatewayConfiguration, debugEcho: Bool = false, reaper: Reaper?, logger: Logger,
    admin: (GatewayState) -> any AdminService
  ) throws(Failure) {
    self.logger = logger
    let listeners = configuration.listeners
    // Ids of exchanges have room for so many loops, and the control loop is the last of them.
    let wanted = configuration.workers ?? System.processors
    let count = min(wanted, ExchangeID.workers - 1)
    if count < wanted { logger.warning("workers is \(count) instead of \(wanted): there can't be more") }
    contexts = Mutex(try ListenerContexts(listeners, renewing: nil))
    do {
      httpPort = try Listener.probe(host: listeners.http.host, port: UInt16(listeners.http.port))
      webSocketPort = try Listener.probe(host: listeners.webSocket.host, port: UInt16(listeners.webSocket.port))
      adminPort = try Listener.probe(host: listeners.admin.host, port: UInt16(listeners.admin.port))
    } catch {
      throw Failure(description: error.description)
    }
    let descriptors = System.raiseDescriptors()
    childDescriptors = descriptors.before
    self.descriptors = descriptors.now
    let settings = Settings(configuration, descriptors: descriptors.now, childDescriptors: childDescriptors)
    settings.warn(logger)
    var roster = Roster()
    let clusters: [Cluster]
    do throws(Roster.Fault) {
      clusters = try roster.clusters(for: configuration)
    } catch {
      throw Failure(description: error.description)
    }
    state = GatewayState(settings, clusters: clusters, workerCount: count, debugEcho: debugEcho)
    var options = EventLoop.Options()
    options.writeHighWater = UInt32(clamping: configuration.limits.writeHighWater)
    options.writeLowWater = UInt32(clamping: configuration.limits.writeLowWater)
    options.answerHead = UInt32(clamping: configuration.limits.head)
    options.answerHeaders = UInt32(clamping: configuration.limits.headers)
    options.memory = configuration.limits.memory ?? Int(clamping: System.memory / 2) / (count + 1)
    // Connections to upstreams come beside those of clients, and neither may be all on one loop.
    options.maximumConnections = settings.httpLimits.maxConnections + 16_384
    options.reaper = reaper
    group = ListenerGroup(loops: count)
    webSocketGroup = ListenerGroup(loops: count)
    do {
      var workers: [Worker] = []
      for index in 0..<count {
        let worker = try Worker(index: index, gateway: state, options: options, logger: logger)
        group.join(worker.loop)
        webSocketGroup.join(worker.loop)
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
    control = ControlPlane(gateway: state, roster: roster, worker: WorkerHandle(controlWorker), logger: logger)
    state.setControl(control)
  }

  /// Serves. Clients may connect at once; they are answered as soon as every upstream has answered or
  /// `first_list_wait` is over, as until then the first list would lack what is about to come.
  package func start() throws(Failure) {
    let listeners = state.configuration.listeners
    let limits = state.settings.httpLimits
    do {
      let listener = try controlWorker.loop.listen(
        host: listeners.admin.host, port: adminPort, group: nil, label: ListenerLabel.admin, limits: limits)
      controlWorker.secure(listener, label: ListenerLabel.admin, with: contexts.withLock { $0 })
    } catch {
      throw Failure(description: "can't listen on \(listeners.admin.host) port \(adminPort): \(error)")
    }
    for worker in workers {
      try listen(worker, listeners.http.host, httpPort, ListenerLabel.http, group, limits)
      try listen(
        worker, listeners.webSocket.host, webSocketPort, ListenerLabel.webSocket, webSocketGroup,
        state.settings.webSocketLimits)
    }
    for worker in workers {
      worker.loop.startTimer(milliseconds: worker.reapInterval, token: Worker.TimerToken.reap.rawValue)
      threads.append(WorkerHandle(worker).run(name: "sluice-\(worker.index)"))
    }
    controlWorker.loop.startTimer(milliseconds: controlWorker.reapInterval, token: Worker.TimerToken.reap.rawValue)
    threads.append(WorkerHandle(controlWorker).run(name: "sluice-control"))
    let handles = workers.map { WorkerHandle($0) }
    control.begin { for handle in handles { handle.post { $0.letClientsIn() } } }
  }

  var allWorkers: [WorkerHandle] { (workers + [controlWorker]).map { WorkerHandle($0) } }

  /// Clients are let in later.
  private func listen(
    _ worker: Worker, _ host: String, _ port: UInt16, _ label: UInt32, _ group: ListenerGroup, _ limits: HTTPLimits
  ) throws(Failure) {
    do {
      let listener = try worker.loop.listen(host: host, port: port, group: group, label: label, limits: limits)
      worker.loop.hold(listener, true)
      worker.secure(listener, label: label, with: contexts.withLock { $0 })
    } catch {
      throw Failure(description: "can't listen on \(host) port \(port): \(error)")
    }
  }

  // MARK: The end

  /// Stops accepting, lets calls in flight finish for up to `drain_timeout`, and ends. `abrupt` is asked again and
  /// again whether there is no time for that. False if that cut something short.
  package func drain(abrupt: @escaping () -> Bool) -> Bool {
    state.startDraining()
    let patience = Patience(abrupt)
    let handles = workers.map { WorkerHandle($0) }
    let all = handles + [WorkerHandle(controlWorker)]
    let started = System.uptime
    let limit = state.configuration.drainTimeout.milliseconds
    state.busyWorkers.store(handles.count, ordering: .relaxed)
    for handle in handles { handle.post { $0.startDraining() } }
    control.end()
    patience.wait(limit) { state.busyWorkers.load(ordering: .relaxed) > 0 }
    // What is answered may still wait for a slow reader, upstream sessions are said goodbye to, and children get the
    // time that an orderly end takes them.
    state.busyWorkers.store(all.count, ordering: .relaxed)
    for handle in all { handle.post { $0.closeEverything() } }
    let passed = System.uptime - started
    patience.wait(max(limit > passed ? limit - passed : 0, 1000)) { state.busyWorkers.load(ordering: .relaxed) > 0 }
    let grace = state.configuration.limits.childGrace.milliseconds
    patience.wait(2 * grace + 2000) { state.liveLinks.load(ordering: .relaxed) > 0 }
    for handle in all { handle.stop() }
    for thread in threads { thread.join() }
    threads = []
    return !patience.isOver
  }

  /// Waits for a condition to pass, but not for long, and not at all once it is over.
  private final class Patience {
    private let abrupt: () -> Bool
    private(set) var isOver = false

    init(_ abrupt: @escaping () -> Bool) { self.abrupt = abrupt }

    func wait(_ milliseconds: UInt64, while condition: () -> Bool) {
      let end = System.uptime + milliseconds
      while !isOver, condition(), System.uptime < end {
        if abrupt() { isOver = true }
        System.sleep(milliseconds: 10)
      }
    }
  }
}

extension Worker {
  /// What has connected so far waits in the kernel's queue.
  func letClientsIn() {
    for listener in listeners.values { loop.hold(listener, false) }
    gateway.openDoors.add(1, ordering: .releasing)
  }

  /// No new connections; listening clients are sent away, calls go on.
  func startDraining() {
    for listener in listeners.values { loop.stopListening(listener) }
    listeners = [:]
    endListens()
    drainSockets()
    for (connection, session) in streamReaders where session.transport != .eventStream {
      loop.setTag(connection, 0)
      loop.endStream(connection)
      streamReaders[connection] = nil
    }
    loop.drainConnections()
    reportWhenIdle { [self] in exchanges.count > 0 }
  }

  private func reportWhenIdle(_ isBusy: @escaping () -> Bool) {
    guard isBusy() else {
      gateway.busyWorkers.subtract(1, ordering: .relaxed)
      return
    }
    after(milliseconds: 10) { [self] in reportWhenIdle(isBusy) }
  }

  /// Ends what is left: sessions, and the conversations and children upstream.
  func closeEverything() {
    isClosing = true
    for place in sockets.places { closeSocket(place, GatewayError(.draining)) }
    for session in gateway.sessions.all where Int(session.id.worker) == index { end(session) }
    if index == gateway.workerCount {
      for upstream in gateway.sharedUpstreams { end(upstream) }
      control?.endOwnSessions()
    }
    for link in links.values { link.close() }
    let isControl = index == gateway.workerCount
    let patience = now + 1000
    // The admin listener goes on to the end, and an upstream that does not take a goodbye is not waited for.
    reportWhenIdle { [self] in exchanges.count > 0 && now < patience || !isControl && loop.downstreamCount > 0 }
  }
}
