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
    delivery.drain()
    loop.drainConnections(grace: grace)
    // Streams of HTTP+SSE bring the answers of calls, and end with them. What the gateway itself asks is not waited for: a
    // call that needs the answer is there too.
    reportWhenIdle { [self] in
      loop.downstreamCount > delivery.streams.count || calls.inFlight.count > 0 || upstream.requests.contains { !$0.isGatewaysOwn }
    }
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
    delivery.end()
    if index == gateway.workerCount {
      for conversation in gateway.upstream.sessions.all { upstream.end(conversation) }
      control?.endOwnSessions()
    }
    upstream.links.closeAll()
    let isControl = index == gateway.workerCount
    let patience = now + 1000
    // The admin listener goes on to the end, and an upstream that does not take a goodbye is not waited for.
    reportWhenIdle { [self] in
      (calls.inFlight.count > 0 || upstream.requests.count > 0) && now < patience || !isControl && loop.downstreamCount > 0
    }
  }
}
