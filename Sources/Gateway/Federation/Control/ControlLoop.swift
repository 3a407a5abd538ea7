import Configuration
import Logging
import MCP
import Reactor

/// The loop that looks after the upstreams, as its parts see it, and what they stand on: its own client of upstreams, and what
/// all loops share. The parts are touched on its thread alone, and may use `async` beside callbacks.
final class ControlLoop: @unchecked Sendable {  // what changes is touched on the loop's thread alone
  /// No clients, but calls and streams toward upstreams like any other loop's.
  let upstream: UpstreamClient
  let sessions: SessionsShared
  let deliveries: DeliveryShared
  /// What clients are told, and what becomes of them.
  let clients: any FederationDelegate
  let logger: Logger
  /// Nothing is begun any more.
  private(set) var isStopped = false
  private let current: CurrentSettings
  private let context: WorkerContext
  private let group: WorkerGroup
  private let executor: LoopExecutor

  init(
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

  var now: UInt64 { context.now }
  var settings: Settings { current.value }
  var configuration: GatewayConfiguration { settings.configuration }
  var shelf: CatalogueShelf { sessions.shelf }

  /// Every loop goes over to other settings.
  func adopt(_ settings: Settings) { current.adopt(settings) }

  func stop() { isStopped = true }

  // MARK: Any thread

  /// Runs `job` on the loop, after what this thread posted before.
  func post(_ job: @escaping @Sendable () -> Void) { group.run(on: group.workerCount, job) }

  // MARK: Tasks

  /// Begins a task with a turn to come. It is on the loop from its first line to its last: without that preference it would be
  /// resumed on a thread of the system's pool after each pause.
  func begin(_ task: @escaping @Sendable () async -> Void) {
    Task(executorPreference: executor, operation: task)
  }

  /// Begins a task at once: its first steps are done before this returns.
  func beginNow(_ task: @escaping @Sendable () async -> Void) {
    Task.immediate(executorPreference: executor, operation: task)
  }

  func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
    context.timers.after(milliseconds: milliseconds, action)
  }

  /// Visits all sessions, a few in each turn of the loop.
  func visitSessions(_ visit: (Session) -> Void) async {
    var walk = SessionWalk(over: sessions.table)
    while let some = walk.next() {
      for session in some { visit(session) }
      if !walk.isOver { await pause(1) }
    }
  }

  func pause(_ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      after(milliseconds: milliseconds) { continuation.resume() }
    }
  }
}
