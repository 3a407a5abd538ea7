import Configuration
import Demonstration
import Logging
import MCP
import Reactor
import Synchronization
import Wire

/// What all workers share: the settings, the sessions, and the catalogue of the moment with the upstreams behind it.
package final class GatewayState: Sendable {
  let sessionsShared: SessionsShared
  let demonstrationKey = SipHash()
  let startedAt = Timestamp(milliseconds: System.wallClock)
  let debugEcho: Bool
  let group: WorkerGroup
  /// Loops that serve clients; the control loop comes after them.
  var workerCount: Int { group.workerCount }
  let currentSettings: CurrentSettings
  private let handles = Mutex<[WorkerHandle]>([])
  let deliveries: DeliveryShared
  let shelf: CatalogueShelf
  /// What the workers' upstream clients share.
  let upstream: UpstreamShared
  let calls: CallsShared
  let lifecycle: LifecycleShared
  private let controlPlane = Mutex<Federation?>(nil)

  init(
    _ settings: Settings, clusters: [Cluster], contexts: ListenerContexts = .plain, workerCount: Int, debugEcho: Bool,
    logLosses: LogLosses = LogLosses(), reaper: Reaper? = nil, sessionKeys: SessionKeys = .ofThisProcess(),
    endedSessions: EndedJournal? = nil
  ) {
    self.debugEcho = debugEcho
    group = WorkerGroup(workerCount: workerCount)
    currentSettings = CurrentSettings(group, settings)
    lifecycle = LifecycleShared(group, contexts: contexts, logLosses: logLosses, reaper: reaper)
    shelf = CatalogueShelf(Catalogues(.empty(clusters, settings.configuration)))
    upstream = UpstreamShared(group, .gateway)
    sessionsShared = SessionsShared(
      SessionCensus.Bounds(settings), workers: workerCount, keys: sessionKeys,
      ended: endedSessions ?? EndedJournal(in: nil, port: 0, oldest: 0, logger: Logger(label: "sluice")), upstream,
      shelf)
    deliveries = DeliveryShared(group, sessionsShared)
    calls = CallsShared(group, sessionsShared)
  }

  /// Aliases of the servers that answer now. The demonstration is none.
  package var servingAliases: [String] {
    clusters.filter { cluster in
      if case .ready = cluster.health { !cluster.isEmbedded } else { false }
    }.map(\.alias)
  }

  var loopCount: Int { group.loopCount }

  /// The settings of the moment, for other threads than the workers'.
  package var settings: Settings { currentSettings.value }
  package var configuration: GatewayConfiguration { settings.configuration }

  // MARK: Loops

  func register(_ handle: WorkerHandle) {
    handles.withLock { $0.append(handle) }
    group.register(handle.loop)
  }

  /// Runs `job` on another worker. 35 to 45 us if that one sleeps.
  func post(to worker: Int, _ job: @escaping @Sendable (Worker) -> Void) {
    handles.withLock { $0[worker] }.post(job)
  }

  func postToAll(_ job: @escaping @Sendable (Worker) -> Void) {
    for worker in 0..<workerCount { post(to: worker, job) }
  }

  /// By loop; the control loop, which serves operators, comes last.
  var losses: [LoopLosses] { group.losses }

  var control: Federation? { controlPlane.withLock { $0 } }
  func setControl(_ control: Federation?) {
    controlPlane.withLock { $0 = control }
    calls.connect(to: control)
  }

  package var isDraining: Bool { group.phase.isDraining }
  var isEnding: Bool { group.phase.isEnding }

  // MARK: Catalogue

  /// Clients are let in, and they see what at least one upstream has answered, so there is something to serve.
  package var isReady: Bool {
    lifecycle.openDoors.load(ordering: .acquiring) == workerCount && catalogue(of: .modern).hasAnswers
  }
}

/// Where a worker is, until it ends. Not a weak reference: with one, every retain of the worker would take the slow way.
final class WorkerPlace: @unchecked Sendable {  // read on the worker's loop, and before its thread and after it
  fileprivate unowned(unsafe) var worker: Worker?

  func enter(_ worker: Worker) { unsafe self.worker = worker }
  func leave() { unsafe worker = nil }
}

/// A worker as other threads know it.
struct WorkerHandle: Sendable {
  let loop: LoopHandle
  private let place: WorkerPlace

  init(_ worker: Worker) {
    loop = worker.loop.handle
    place = worker.place
  }

  func post(_ job: @escaping @Sendable (Worker) -> Void) {
    // What a worker has not done when it ends comes back as its loop is destroyed, when nobody is left to do it.
    loop.post { [place] in if let worker = place.worker { job(worker) } }
  }

  func stop() { loop.stop() }

  /// Gives the worker's loop a thread.
  func run(name: String) -> Thread {
    Thread(name: name) { [place] in place.worker?.loop.run() }
  }
}

extension GatewayState: GatewayView {
  package var figures: GatewayFigures {
    var figures = GatewayFigures()
    figures.isDraining = isDraining
    figures.reloads = lifecycle.reloads.counts
    figures.sessions = sessions.size
    figures.upstreams = upstreamFigures
    figures.conflicts = shelf.conflictCount
    figures.droppedLogLines = lifecycle.logLosses.count
    figures.reaperRestarts = lifecycle.reaperRestarts
    figures.losses = losses
    return figures
  }

  private var upstreamFigures: [UpstreamFigures] {
    let served = shelf.catalogues
    return zip(served.modern.clusters, served.legacy.clusters).map { modern, legacy in
      var figures = UpstreamFigures(alias: modern.alias)
      if case .ready = modern.health { figures.isReady = true }
      figures.hasExcess = modern.hasExcess || legacy.hasExcess
      figures.droppedLogLines = modern.droppedLog.lines.load(ordering: .relaxed)
      figures.droppedLogBytes = modern.droppedLog.bytes.load(ordering: .relaxed)
      return figures
    }
  }
}
