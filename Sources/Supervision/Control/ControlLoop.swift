import Configuration
import Delivery
import Logging
import Reactor
import ServedCatalogue
import Sessions
import UpstreamClient
import Workers

/// The loop that looks after the upstreams, as its parts see it, and what they stand on: its own client of upstreams, and what
/// all loops share. The parts are touched on its thread alone, and may use `async` beside callbacks.
public final class ControlLoop: @unchecked Sendable {  // what changes is touched on the loop's thread alone
  /// No clients, but calls and streams toward upstreams like any other loop's.
  public let upstream: UpstreamClient
  public let sessions: SessionsShared
  public let deliveries: DeliveryShared
  /// What clients are told, and what becomes of them.
  public let clients: any FederationDelegate
  public let logger: Logger
  /// Nothing is begun any more.
  public private(set) var isStopped = false
  private let current: CurrentSettings
  private let context: WorkerContext
  private let group: WorkerGroup
  private let executor: LoopExecutor

  public init(
    _ upstream: UpstreamClient, _ deliveries: DeliveryShared, _ settings: CurrentSettings,
    _ clients: any FederationDelegate, _ logger: Logger
  ) {
    self.upstream = upstream
    sessions = deliveries.sessions
    self.deliveries = deliveries
    self.clients = clients
    self.logger = logger
    current = settings
    context = upstream.context
    group = context.group
    executor = context.loop.executor
  }

  public var now: UInt64 { context.now }
  public var settings: Settings { current.value }
  public var configuration: GatewayConfiguration { settings.configuration }
  public var shelf: CatalogueShelf { sessions.shelf }

  /// Every loop goes over to other settings.
  public func adopt(_ settings: Settings) { current.adopt(settings) }

  public func stop() { isStopped = true }

  // MARK: Any thread

  /// Runs `job` on the loop, after what this thread posted before.
  public func post(_ job: @escaping @Sendable () -> Void) { group.run(on: group.workerCount, job) }

  // MARK: Tasks

  /// Begins a task with a turn to come. It is on the loop from its first line to its last: without that preference it would be
  /// resumed on a thread of the system's pool after each pause.
  public func begin(_ task: @escaping @Sendable () async -> Void) {
    Task(executorPreference: executor, operation: task)
  }

  /// Begins a task at once: its first steps are done before this returns.
  public func beginNow(_ task: @escaping @Sendable () async -> Void) {
    Task.immediate(executorPreference: executor, operation: task)
  }

  public func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.timers.after(milliseconds: milliseconds, action)
  }

  /// Visits all sessions, a few in each turn of the loop.
  public func visitSessions(_ visit: (Session) -> Void) async {
    var walk = SessionWalk(over: sessions.table)
    while let some = walk.next() {
      for session in some { visit(session) }
      if !walk.isOver { await pause(1) }
    }
  }

  public func pause(_ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      after(milliseconds: milliseconds) { continuation.resume() }
    }
  }
}
