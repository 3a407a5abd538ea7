import Clusters
import Configuration
import Delivery
import Demonstration
import Federation
import Front
import Lifecycle
import Links
import Logging
import MCP
import OpenCalls
import Reactor
import ServedCatalogue
import SessionStore
import Sessions
import Synchronization
import Wire
import Workers

/// What all loops share, put together: an object for each part, which owns what is in it.
public final class GatewayState: Sendable {
  let group: WorkerGroup
  let currentSettings: CurrentSettings
  let upstream: UpstreamShared
  let shelf: CatalogueShelf
  public let sessions: SessionsShared
  let deliveries: DeliveryShared
  let calls: CallsShared
  let lifecycle: LifecycleShared
  /// `/debug/echo` is served.
  let debugEcho: Bool
  /// Of the demonstration server, which is one on all workers.
  let demonstrationKey = SipHash()
  let startedAt = Timestamp(milliseconds: System.wallClock)
  private let controlPlane = Mutex<Federation?>(nil)

  public init(
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
    sessions = SessionsShared(
      SessionCensus.Bounds(settings), workers: workerCount, keys: sessionKeys,
      ended: endedSessions ?? EndedJournal(in: nil, port: 0, oldest: 0, logger: Logger(label: "sluice")), upstream,
      shelf)
    deliveries = DeliveryShared(group, sessions)
    calls = CallsShared(group, sessions)
  }

  /// Aliases of the servers that answer now. The demonstration is none.
  public var servingAliases: [String] {
    shelf.clusters.filter { $0.isReady && !$0.isEmbedded }.map(\.alias)
  }

  /// The settings of the moment, for other threads than the workers'.
  public var settings: Settings { currentSettings.value }
  public var configuration: GatewayConfiguration { settings.configuration }

  /// Who looks after the servers; nil before that begins, and after its end.
  var control: Federation? { controlPlane.withLock { $0 } }
  func setControl(_ control: Federation?) {
    controlPlane.withLock { $0 = control }
    calls.connect(to: control)
  }

  public var isDraining: Bool { group.phase.isDraining }

  /// Clients are let in, and they see what at least one upstream has answered, so there is something to serve.
  public var isReady: Bool {
    lifecycle.openDoors.load(ordering: .acquiring) == group.workerCount && shelf.catalogue(of: .modern).hasAnswers
  }
}

extension GatewayState: GatewayView {
  public var figures: GatewayFigures {
    var figures = GatewayFigures()
    figures.isDraining = isDraining
    figures.reloads = lifecycle.reloads.counts
    figures.sessions = sessions.table.size
    figures.upstreams = upstreamFigures
    figures.conflicts = shelf.conflictCount
    figures.droppedLogLines = lifecycle.logLosses.count
    figures.reaperRestarts = lifecycle.reaperRestarts
    figures.losses = group.losses
    figures.tallies = Tally.allCases.map { ($0, group.total(of: $0)) }
    return figures
  }

  private var upstreamFigures: [UpstreamFigures] {
    let served = shelf.catalogues
    return zip(served.modern.clusters, served.legacy.clusters).map { modern, legacy in
      var figures = UpstreamFigures(alias: modern.alias)
      figures.isReady = modern.isReady
      figures.isStopped = modern.isStopped
      if case .failed = modern.health { figures.hasFailed = true }
      figures.deaths = modern.deaths.count + (legacy === modern ? 0 : legacy.deaths.count)
      figures.hasExcess = modern.hasExcess || legacy.hasExcess
      figures.droppedLogLines = modern.droppedLog.lines.load(ordering: .relaxed)
      figures.droppedLogBytes = modern.droppedLog.bytes.load(ordering: .relaxed)
      return figures
    }
  }
}
