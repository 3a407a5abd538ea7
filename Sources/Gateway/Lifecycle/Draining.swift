import Configuration
import MCP
import Reactor
import Wire

/// The end: what is on its way gets there, and nothing new is begun.
extension Gateway {
  /// Who else serves the clients of a gateway that ends.
  package enum Succession: Sendable {
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
  package func drain(_ succession: Succession = .nobody, began: () -> Void, abrupt: @escaping () -> Bool) -> Bool {
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
        $0.startDraining(grace: grace)
        _ = draining.arrive()
      }
    }
    // A worker that is busy for as long as this drains later, which is no reason to be silent.
    patience.wait(1000) { !draining.isOver }
    if case .successor = succession { SuccessorService(SessionSeam(state)).leaveSessions() }
    began()
    if case .successor = succession { WorkerHandle(controlWorker).post { $0.listeners.stop() } }
    federation.end()
    patience.wait(limit) { state.lifecycle.busyWorkers.load(ordering: .relaxed) > 0 || state.sessionsShared.isBetween }
    // What is answered may still wait for a slow reader, upstream sessions are said goodbye to, and children get the
    // time that an orderly end takes them.
    state.lifecycle.busyWorkers.store(allWorkers.count, ordering: .relaxed)
    for handle in allWorkers { handle.post { $0.closeEverything() } }
    let passed = System.uptime - started
    patience.wait(max(limit > passed ? limit - passed : 0, 1000)) { state.lifecycle.busyWorkers.load(ordering: .relaxed) > 0 }
    let childGrace = state.configuration.limits.childGrace.milliseconds
    patience.wait(2 * childGrace + 2000) { state.upstream.census.live.load(ordering: .relaxed) > 0 }
    state.sessionsShared.ended.flush(within: 1000)
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

extension Worker {
  func letClientsIn() {
    listeners.hold(false)
    gateway.lifecycle.openDoors.add(1, ordering: .releasing)
  }

  /// No new connections; listening clients are sent away, calls go on.
  func startDraining(grace: UInt32 = 0) {
    listeners.stop()
    endListens()
    drainSockets()
    for (connection, session) in streamReaders { sendAway(connection, session) }
    loop.drainConnections(grace: grace)
    // Streams of HTTP+SSE bring the answers of calls, and end with them. What the gateway itself asks is not waited for: a
    // call that needs the answer is there too.
    reportWhenIdle { [self] in
      loop.downstreamCount > streamReaders.count || calls.count > 0 || upstream.requests.contains { !$0.isGatewaysOwn }
    }
  }

  /// A client that only listens shall do so elsewhere, and not all at the same moment.
  func sendAway(_ connection: ConnectionID, _ session: Session) {
    guard session.transport != .eventStream,
      let number = session.withState({ $0.log.standalone(readBy: connection) })
    else { return }
    let retry = drainedRetry()
    let gateway = gateway
    let frame = session.withState { state -> Frame? in
      // Numbers may be the next process's to give by now.
      guard session.revision.hasPriming, !state.isLeft, !gateway.hasLeftSessions else {
        return nil
      }
      defer { gateway.tell(of: number, in: state, session) }
      return state.log.prime(number, retry: retry)
    }
    if let frame { loop.writeStream(connection, frame) } else { writeRetry(connection, retry) }
    streamReaders[connection] = nil
    _ = session.withState { $0.log.detach(connection, now: now) }
    loop.setTag(connection, 0)
    loop.endStream(connection)
  }

  /// When to connect again, without an event.
  func writeRetry(_ connection: ConnectionID, _ milliseconds: UInt64) {
    var retry = ByteBuffer(capacity: 24)
    retry.append(retry: milliseconds)
    retry.append("\n")
    loop.writeStream(connection, retry.bytes)
  }

  private func reportWhenIdle(_ isBusy: @escaping () -> Bool) {
    guard isBusy() else {
      gateway.lifecycle.busyWorkers.subtract(1, ordering: .relaxed)
      return
    }
    after(milliseconds: 10) { [self] in reportWhenIdle(isBusy) }
  }

  /// Ends what is left: sessions, and the conversations and children upstream.
  func closeEverything() {
    isClosing = true
    for place in sockets.places { closeSocket(place, GatewayError(.draining)) }
    if index < gateway.workerCount { for session in gateway.sessions.all(of: index) { end(session) } }
    if index == gateway.workerCount {
      for conversation in gateway.upstream.sessions.all { upstream.end(conversation) }
      control?.endOwnSessions()
    }
    upstream.links.closeAll()
    let isControl = index == gateway.workerCount
    let patience = now + 1000
    // The admin listener goes on to the end, and an upstream that does not take a goodbye is not waited for.
    reportWhenIdle { [self] in
      (calls.count > 0 || upstream.requests.count > 0) && now < patience || !isControl && loop.downstreamCount > 0
    }
  }
}
