import MCP
import Reactor
import Wire

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
