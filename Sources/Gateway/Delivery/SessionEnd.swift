import MCP
import Reactor
import Wire

/// How sessions end, and what goes with them.
extension Worker {
  /// Ends a session: its calls, its streams, and the upstream conversations that were its alone.
  func end(_ session: Session) {
    guard gateway.sessions.remove(session.id) != nil, let left = session.end() else { return }
    gateway.sessions.forgetLevel(of: session)
    let id = session.id
    // Closed before the sweep, so that nothing opens behind it.
    let open = left.upstreams.compactMap { upstream in upstream.close().map { (upstream.cluster, $0) } }
    for reader in left.readers { delivery.hand(.sessionEnded(reader, of: session), to: reader.worker) }
    if let socket = session.socket {
      // All that a WebSocket has under way is with the worker that holds it.
      on(socket.worker) { $0.abandonCalls(of: session) }
    } else {
      for worker in 0..<gateway.workerCount { on(worker) { $0.abandonCalls(of: session) } }
    }
    for (cluster, open) in open { upstream.end(open, cluster) }
    if session.overlay != nil { control?.forgetOverlay(of: id) }
    if !left.subscriptions.isEmpty { end(left.subscriptions, of: session) }
  }

  private func end(_ subscriptions: [[UInt8]: Subscription], of session: Session) {
    let shared = subscriptions.values.filter { !$0.isCounted }.map(\.interest)
    if !shared.isEmpty { withdrawSubscriptions(shared, of: session.id) }
    let interests = subscriptions.values.filter(\.isCounted).map(\.interest)
    if !interests.isEmpty {
      gateway.interests.dismiss(session.id, interests)
      endInterest(interests)
    }
    let bytes = subscriptions.reduce(0) { $0 + $1.value.bytes(named: $1.key) }
    giveBack(bytes, of: session.party, on: Int(session.id.worker))
  }

  // MARK: Expiry

  /// Often enough that nothing outlives its time by much.
  var reapInterval: UInt64 {
    let sessions = settings.configuration.sessions
    let shortest = min(sessions.idleTimeout, sessions.resumeWindow, settings.configuration.limits.writeTimeout)
    return min(5000, max(100, shortest.milliseconds / 4))
  }

  /// What nobody asks for any more goes: each worker looks after the sessions that were opened on it, its idle upstream
  /// connections, and peers that do not take what is sent to them.
  func reap() {
    let now = now
    upstream.requests.expireIdle()
    loop.closeStalled(after: settings.writeTimeout, rate: settings.writeRate)
    loop.trim()
    if index == gateway.workerCount {
      gateway.inheritance.expire(window: settings.resumeWindow, idle: settings.sessionIdleTimeout, now: now)
      loop.startTimer(milliseconds: reapInterval, token: TimerToken.reap.rawValue)
    } else {
      delivery.reap { [unowned self] in
        loop.startTimer(milliseconds: reapInterval, token: TimerToken.reap.rawValue)
      }
    }
  }
}
