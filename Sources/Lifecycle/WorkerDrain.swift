import Calls
import Delivery
import Federation
import Links
import OpenCalls
import Reactor
import UpstreamClient
import UpstreamRequests
import Workers

/// How one worker lets clients in, takes leave of them, and ends: what is on its way gets there, and nothing new is begun.
public final class WorkerDrain {
  private let context: WorkerContext
  private let shared: LifecycleShared
  private let listeners: WorkerListeners
  private let upstream: UpstreamClient
  private let delivery: Delivery
  private let calls: Calls

  public init(
    _ context: WorkerContext, _ shared: LifecycleShared, _ listeners: WorkerListeners, _ upstream: UpstreamClient,
    _ delivery: Delivery, _ calls: Calls
  ) {
    self.context = context
    self.shared = shared
    self.listeners = listeners
    self.upstream = upstream
    self.delivery = delivery
    self.calls = calls
  }

  public func letClientsIn() {
    listeners.hold(false)
    shared.openDoors.add(1, ordering: .releasing)
  }

  /// No new connections; listening clients are sent away, calls go on.
  /// - Parameter grace: for how long an idle connection may send one more request, in milliseconds.
  public func begin(grace: UInt32 = 0) {
    listeners.stop()
    delivery.drain()
    context.loop.drainConnections(grace: grace)
    // Streams of HTTP+SSE bring the answers of calls, and end with them. What the gateway itself asks is not waited for: a
    // call that needs the answer is there too.
    reportWhenIdle { [unowned self] in
      context.loop.downstreamCount > delivery.streams.count || calls.inFlight.count > 0
        || upstream.requests.contains { !$0.isGatewaysOwn }
    }
  }

  /// Ends what is left: sessions, and the conversations and children upstream.
  /// - Parameter federation: on the control loop, which ends what the gateway talks of on its own behalf.
  public func end(_ federation: Federation? = nil) {
    let isControl = context.index == context.group.workerCount
    delivery.end()
    if isControl {
      upstream.endShared()
      federation?.endOwnSessions()
    }
    upstream.links.closeAll()
    let patience = context.now + 1000
    // The admin listener goes on to the end, and an upstream that does not take a goodbye is not waited for.
    reportWhenIdle { [unowned self] in
      (calls.inFlight.count > 0 || upstream.requests.count > 0) && context.now < patience
        || !isControl && context.loop.downstreamCount > 0
    }
  }

  private func reportWhenIdle(_ isBusy: @escaping () -> Bool) {
    guard isBusy() else {
      shared.busyWorkers.subtract(1, ordering: .relaxed)
      return
    }
    context.timers.after(milliseconds: 10) { [unowned self] in reportWhenIdle(isBusy) }
  }
}
