import Configuration
import Federation
import Front
import Lifecycle
import Logging
import MCP
import Reactor
import SessionStore
import Sessions
import Synchronization
import Workers

/// The running gateway: workers on threads of their own, the control loop, and their listeners.
public final class Gateway {
  public let state: GatewayState
  public let httpPort: UInt16
  public let webSocketPort: UInt16
  public let adminPort: UInt16
  let workers: [Worker]
  let controlWorker: Worker
  let federation: Federation
  private let doorkeeper: Doorkeeper
  private let group: ListenerGroup
  private let webSocketGroup: ListenerGroup
  let childDescriptors: UInt64
  let descriptors: UInt64
  let logger: Logger
  var threads: [Thread] = []
  /// Those that speak with other processes of sessions.
  var relayThreads: [Thread] = []
  private var inherited: InheritedSockets
  private let journal: NameJournal?
  private let claim: StateClaim?
  /// What listens, for the process that takes this one's place. None of them is closed before the drain.
  public private(set) var listeningSockets: [ListeningSocket] = []
  /// The listeners that can be reached from beyond this machine, by the sockets that they have.
  private(set) var exposedListeners: Set<String> = []

  /// What keeps the gateway from starting, for people.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// Binds and checks everything; nothing is served before `start`.
  /// - Parameters:
  ///   - inherited: sockets that listen already, from another process or a service manager.
  ///   - stateDirectory: where what should be known after a restart is kept; nil: nowhere.
  public init(
    _ configuration: GatewayConfiguration, debugEcho: Bool = false, reaper: Reaper?, logger: Logger,
    logLosses: LogLosses = LogLosses(), inherited: [ListeningSocket] = [], stateDirectory: String? = nil,
    admin: (any GatewayView) -> any AdminService
  ) throws(Failure) {
    self.logger = logger
    let listeners = configuration.listeners
    // Ids of calls have room for so many loops, and the control loop is the last of them.
    let allowance = Allowance.ofThisProcess
    let wanted = configuration.workers ?? allowance.processors
    let count = min(wanted, SlotLimits.loops - 1)
    if count < wanted { logger.warning("workers is \(count) instead of \(wanted): there can't be more") }
    let sockets = InheritedSockets(inherited)
    self.inherited = sockets
    let contexts: ListenerContexts
    do throws(ListenerContexts.Failure) {
      contexts = try ListenerContexts(listeners, renewing: nil)
    } catch {
      throw Failure(description: error.description)
    }
    do throws(Listener.Failure) {
      let (http, webSocket, admin) = (listeners.http, listeners.webSocket, listeners.admin)
      httpPort = try sockets.portOrProbe("http", host: http.host, port: http.port)
      webSocketPort = try sockets.portOrProbe("websocket", host: webSocket.host, port: webSocket.port)
      adminPort = try sockets.portOrProbe("admin", host: admin.host, port: admin.port)
    } catch {
      throw Failure(description: error.description)
    }
    let descriptors = System.raiseDescriptors()
    childDescriptors = descriptors.before
    self.descriptors = descriptors.now
    let settings = Settings(
      configuration, loops: count + 1, descriptors: descriptors.now, childDescriptors: childDescriptors,
      allowance: allowance)
    settings.warn(logger)
    let clusters: ClusterSet
    do throws(ClusterSet.Fault) {
      clusters = try ClusterSet(configuration)
    } catch {
      throw Failure(description: error.description)
    }
    // Without a port of its own nothing tells one gateway's state from another's.
    let stateDirectory = listeners.http.port == 0 ? nil : stateDirectory
    let port = listeners.http.port
    let sessionKeys: SessionKeys
    do throws(SecretStore.Failure) {
      sessionKeys = try SecretStore.keys(configuration.sessions, in: stateDirectory, port: port, logger)
    } catch {
      throw Failure(description: error.description)
    }
    state = GatewayState(
      settings, clusters: clusters.served, contexts: contexts, workerCount: count, debugEcho: debugEcho,
      logLosses: logLosses, reaper: reaper,
      sessionKeys: sessionKeys,
      endedSessions: EndedJournal(
        in: stateDirectory, port: port, oldest: settings.oldestTicket(at: System.minute), logger: logger))
    var options = settings.loopLimits
    options.reaper = reaper
    group = ListenerGroup(loops: count)
    webSocketGroup = ListenerGroup(loops: count)
    do {
      var workers: [Worker] = []
      for index in 0..<count {
        let worker = try Worker(index: index, gateway: state, options: options, logger: logger)
        group.join(worker.loop)
        webSocketGroup.join(worker.loop)
        state.group.register(worker.loop.handle)
        workers.append(worker)
      }
      self.workers = workers
      controlWorker = try Worker(index: count, gateway: state, options: options, logger: logger)
      state.group.register(controlWorker.loop.handle)
    } catch {
      throw Failure(description: "\(error)")
    }
    controlWorker.serve(admin(state))
    claim = stateDirectory.flatMap {
      StateClaim("gateway-\(port).claim", at: "\(listeners.http.host) \(port)", in: $0)
    }
    if let other = claim?.other, let stateDirectory {
      logger.warning(
        "process \(other), which listens on port \(port) of another address, keeps its state in the same files of \(stateDirectory): each of them forgets what the servers of the other are called, and takes its sessions; expected a `state_dir` for each gateway"
      )
    }
    journal = stateDirectory.map { NameJournal(in: $0, port: port, logger: logger) }
    federation = Federation(state, controlWorker, clusters, journal: journal, logger: logger)
    doorkeeper = Doorkeeper(federation)
    state.setControl(federation)
  }

  /// Serves. Clients may connect at once; they are answered as soon as every upstream has answered or
  /// `first_list_wait` is over, as until then the first list would lack what is about to come.
  /// - Parameters:
  ///   - relief: what is needed to take another process's place, which serves until then, the admin listener too. It says
  ///     when clients may be let in, which `letClientsIn` does, and the names are not written before `writeNames`.
  ///   - opened: called once all workers let clients in, on one of them; not with a `relief`.
  public func start(
    relieving relief: Relief? = nil, opened: @escaping @Sendable () -> Void = {}
  ) throws(Failure) {
    let listeners = state.configuration.listeners
    try listen([controlWorker], "admin", ListenerLabel.admin, host: listeners.admin.host, port: adminPort, group: nil)
    if relief != nil { controlWorker.listeners.hold(true) }
    try listen(workers, "http", ListenerLabel.http, host: listeners.http.host, port: httpPort, group: group)
    try listen(
      workers, "websocket", ListenerLabel.webSocket, host: listeners.webSocket.host, port: webSocketPort,
      group: webSocketGroup)
    inherited.closeRest()
    try judgeExposure()
    for worker in workers {
      worker.expiry.begin()
      threads.append(WorkerHandle(worker).run(name: "sluice-\(worker.index)"))
    }
    controlWorker.expiry.begin()
    controlWorker.memoryWatch?.begin()
    threads.append(WorkerHandle(controlWorker).run(name: "sluice-control"))
    if relief != nil { journal?.hold() }
    let open = opening(opened)
    doorkeeper.begin(state.configuration, relief) { if let relief { relief.met() } else { open() } }
  }

  /// Lets clients in, in another process's place. `opened` is called once all workers do so, on one of them.
  public func letClientsIn(opened: @escaping @Sendable () -> Void) {
    // What clients have ended in the other process while this one waited for its turn.
    state.sessions.ended.readOn()
    opening(opened)()
  }

  private func opening(_ opened: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
    let handles = workers.map { WorkerHandle($0) }
    let controlHandle = WorkerHandle(controlWorker)
    return {
      controlHandle.post { $0.listeners.hold(false) }
      let gathering = Gathering(handles.count)
      for handle in handles {
        handle.post {
          $0.drain.letClientsIn()
          if gathering.arrive() { opened() }
        }
      }
    }
  }

  /// What servers are called is this process's to write from now on, as it serves.
  public func writeNames() { journal?.release() }

  /// What servers are called is a successor's to write, once this returns.
  public func leaveNames() { journal?.hold() }

  /// The process whose place this one was to take is gone: this one serves as soon as it can.
  public func relievesNobody() { doorkeeper.relievesNobody() }

  /// Has these workers listen at an address, with the sockets that do so already or with new ones. Client listeners are
  /// held until there is something to serve.
  private func listen(
    _ workers: [Worker], _ name: String, _ label: UInt32, host: String, port: UInt16, group: ListenerGroup?
  ) throws(Failure) {
    let limits = state.settings.limits(of: label)
    let shares = inherited.take(name, host: host, port: Int(port), workers: workers.count)
    for (worker, share) in zip(workers, shares) {
      do {
        var made: [Listener] = []
        for descriptor in share {
          made.append(try worker.loop.listen(adopting: descriptor, group: group, label: label, limits: limits))
        }
        if made.isEmpty {
          made.append(try worker.loop.listen(host: host, port: port, group: group, label: label, limits: limits))
        }
        for listener in made {
          worker.listeners.add(listener, label: label, state.settings)
          if group != nil { listener.hold(true) }
          if !listener.isLocal { exposedListeners.insert(name) }
          listeningSockets.append(ListeningSocket(listener: name, descriptor: listener.descriptor))
        }
        worker.listeners.secure(with: state.lifecycle.contexts.withLock { $0 })
      } catch {
        throw Failure(description: "can't listen on \(host) port \(port): \(error)")
      }
    }
  }

  /// The configuration was looked at when it was read; sockets that were handed over may listen elsewhere than it says.
  private func judgeExposure() throws(Failure) {
    let configuration = state.configuration
    let known = configuration.listeners.exposures()
    for exposure in configuration.listeners.exposures(bound: exposedListeners) where !known.contains(exposure) {
      guard configuration.allowUnauthenticated else {
        throw Failure(description: "\(exposure.refusal); expected \(Exposure.remedy)")
      }
      logger.warning("\(exposure.warning)")
    }
  }

  var allWorkers: [WorkerHandle] { (workers + [controlWorker]).map { WorkerHandle($0) } }
}
