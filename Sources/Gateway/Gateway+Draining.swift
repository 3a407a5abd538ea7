import Configuration
import Federation
import Lifecycle
import Links
import Reactor
import SessionStore
import Sessions
import Workers

/// The end: what is on its way gets there, and nothing new is begun.
extension Gateway {
  /// Who else serves the clients of a gateway that ends.
  public enum Succession: Sendable {
    case nobody
    /// Another process has the listening sockets, so there is no hurry, and who comes on a connection that is still open
    /// had better be answered.
    case successor
  }

  /// How long an idle connection may send one more request, in milliseconds: its client can't know.
  private static func grace(_ succession: Succession, within limit: UInt64) -> UInt32 {
    switch succession {
    case .nobody: UInt32(min(limit, 500))
    case .successor: UInt32(min(limit, 5000))
    }
  }

  /// Stops accepting, lets calls in flight finish for up to `drain_timeout`, and ends. `began` is called once every
  /// worker drains: from then on each answer says that its connection ends. `abrupt` is asked again and again whether
  /// there is no time for that. False if that cut something short.
  public func drain(_ succession: Succession = .nobody, began: () -> Void, abrupt: @escaping () -> Bool) -> Bool {
    state.group.phase.startDraining(hasSuccessor: succession == .successor)
    let patience = Patience(abrupt)
    let handles = workers.map { WorkerHandle($0) }
    let started = System.uptime
    let limit = state.configuration.drainTimeout.milliseconds
    let grace = Self.grace(succession, within: limit)
    state.lifecycle.busyWorkers.store(handles.count, ordering: .relaxed)
    let draining = Gathering(handles.count)
    for handle in handles {
      handle.post {
        $0.drain.begin(grace: grace)
        _ = draining.arrive()
      }
    }
    // A worker that is busy for as long as this drains later, which is no reason to be silent.
    patience.wait(1000) { !draining.isOver }
    if case .successor = succession { SuccessorService(SessionSeam(state.deliveries, state.calls)).leaveSessions() }
    began()
    if case .successor = succession { WorkerHandle(controlWorker).post { $0.listeners.stop() } }
    // Calls may wait for a server to be back, which it is looked after for until they are over.
    patience.wait(limit) { state.lifecycle.busyWorkers.load(ordering: .relaxed) > 0 || state.sessions.isBetween }
    federation.end()
    // What is answered may still wait for a slow reader, upstream sessions are said goodbye to, and children get the
    // time that an orderly end takes them.
    state.lifecycle.busyWorkers.store(allWorkers.count, ordering: .relaxed)
    for worker in workers { WorkerHandle(worker).post { $0.drain.end() } }
    WorkerHandle(controlWorker).post { [federation] in $0.drain.end(federation) }
    let passed = System.uptime - started
    patience.wait(max(limit > passed ? limit - passed : 0, 1000)) {
      state.lifecycle.busyWorkers.load(ordering: .relaxed) > 0
    }
    let childGrace = state.configuration.limits.childGrace.milliseconds
    patience.wait(2 * childGrace + 2000) { state.upstream.census.live.load(ordering: .relaxed) > 0 }
    state.sessions.ended.flush(within: 1000)
    endRelays()
    for handle in allWorkers { handle.stop() }
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
