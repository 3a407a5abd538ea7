import Configuration
import Delivery
import Reactor
import Sessions
import UpstreamRequests
import Workers

/// What nobody asks for any more goes, every few seconds: each worker looks after the sessions that were opened on it, its idle
/// upstream connections, and peers that do not take what is sent to them; the control loop after what another process has left,
/// and the process's memory.
public final class Expiry {
  private let context: WorkerContext
  private let requests: Requests
  private let delivery: Delivery
  private let sessions: SessionsShared
  private let tickets: TicketCache
  /// Of the control loop.
  private let memory: MemoryWatch?

  public init(
    _ context: WorkerContext, _ requests: Requests, _ delivery: Delivery, _ sessions: SessionsShared,
    _ tickets: TicketCache, _ memory: MemoryWatch?
  ) {
    self.context = context
    self.requests = requests
    self.delivery = delivery
    self.sessions = sessions
    self.tickets = tickets
    self.memory = memory
  }

  /// Looks from now on, as long as the loop runs.
  public func begin() {
    context.timers.after(milliseconds: Self.interval(context.settings.configuration)) { [unowned self] in look() }
  }

  /// Milliseconds from one look to the next: often enough that nothing outlives its time by much.
  static func interval(_ configuration: GatewayConfiguration) -> UInt64 {
    let sessions = configuration.sessions
    var shortest = min(sessions.idleTimeout, sessions.resumeWindow, configuration.limits.writeTimeout)
    for server in configuration.servers {
      shortest = min(shortest, server.pool.idleTimeout, server.pool.maximumAge ?? shortest)
    }
    return min(5000, max(100, shortest.milliseconds / 4))
  }

  private func look() {
    let (loop, settings, now) = (context.loop, context.settings, context.now)
    context.lookAtClock()
    requests.expireIdle()
    tickets.forgetEnded()
    loop.closeStalled(after: settings.writeTimeout, rate: settings.writeRate)
    loop.trim()
    if let memory {
      sessions.inheritance.expire(window: settings.resumeWindow, idle: settings.sessionIdleTimeout, now: now)
      begin()
      memory.look()
    } else {
      delivery.ends.reap { [unowned self] in begin() }
    }
  }
}
