import MCP
import Reactor
import Wire

/// What clients have settled in conversations with upstreams besides their calls: log levels and subscriptions. A
/// conversation that is opened anew gets them again (PROTOCOL 20.4).
extension Worker {
  /// How long an answer to one of these is waited for.
  private static var patience: UInt64 { 5000 }

  // MARK: Log levels

  /// A client set its log level: its conversations are told, and then it is answered.
  func spreadLogLevel(_ session: Session, _ completion: @escaping () -> Void) {
    var told: [(UpstreamSession, UpstreamSession.Open)] = session.openUpstreams
    for upstream in gateway.sharedUpstreams where gateway.isShared(upstream, with: session) {
      if let open = upstream.current { told.append((upstream, open)) }
    }
    let countdown = Countdown(completion)
    for (binding, open) in told where binding.cluster.profile?.offer.capabilities.contains(.logging) == true {
      setLogLevel(binding, open, countdown)
      hear(binding, open)
    }
    countdown.done()
  }

  /// The level that a conversation needs: its client's, or the lowest of those who share it.
  private func logLevel(for binding: UpstreamSession) -> LogLevel? {
    if let owner = binding.owner { return gateway.sessions.find(owner)?.withState { $0.logLevel } }
    let asked = gateway.sharers(of: binding).flatMap { gateway.sessions.lowestLevel(of: $0) }
    return [asked, binding.requestedLevel].compactMap { $0 }.min()
  }

  private func setLogLevel(_ binding: UpstreamSession, _ open: UpstreamSession.Open, _ countdown: Countdown) {
    guard open.revision.era == .legacy, let level = logLevel(for: binding) else { return }
    var params = ByteBuffer(capacity: 32)
    params.append("{\"level\":")
    params.append(quoted: level.label.bytes)
    params.append("}")
    settle(binding, open, .loggingSetLevel, params.bytes, countdown)
  }

  /// A modern request wants to hear more of the upstream's logs than anyone did before: it is told first.
  func settleLogLevel(
    _ binding: UpstreamSession, _ open: UpstreamSession.Open, _ completion: @escaping () -> Void
  ) {
    let countdown = Countdown(completion)
    if binding.cluster.profile?.offer.capabilities.contains(.logging) == true {
      setLogLevel(binding, open, countdown)
    }
    countdown.done()
  }

  // MARK: All of it

  /// Settles in a conversation that was just opened what its clients have settled before.
  func restore(
    _ binding: UpstreamSession, _ established: Established, _ completion: @escaping () -> Void
  ) {
    let countdown = Countdown(completion)
    if established.offer?.capabilities.contains(.logging) == true { setLogLevel(binding, established.open, countdown) }
    for uri in binding.subscriptions { subscribe(binding, established.open, .resourcesSubscribe, uri, countdown) }
    countdown.done()
  }

  /// What clients have subscribed to elsewhere this conversation is to bring from now on.
  func settleSubscriptions(_ binding: UpstreamSession, _ uris: [[UInt8]]) {
    // What is opened gets all of them.
    guard let open = binding.current else { return reopen(binding) }
    for uri in uris { subscribe(binding, open, .resourcesSubscribe, uri, Countdown {}) }
  }

  /// A session is gone: conversations that it shared are told what nobody is subscribed to any more.
  func withdrawSubscriptions(_ interests: [ResourceInterest], of session: SessionID) {
    let byUpstream = Dictionary(grouping: interests, by: \.upstream)
    for upstream in gateway.sharedUpstreams {
      guard let own = byUpstream[upstream.cluster.number] else { continue }
      let orphans = upstream.forget(session, own.map(\.uri))
      guard let open = upstream.current, open.revision.era == .legacy else { continue }
      for uri in orphans where !isWanted(ResourceInterest(upstream: upstream.cluster.number, uri: uri), in: upstream) {
        subscribe(upstream, open, .resourcesUnsubscribe, uri, Countdown {})
      }
    }
  }

  private func subscribe(
    _ binding: UpstreamSession, _ open: UpstreamSession.Open, _ method: Method, _ uri: [UInt8], _ countdown: Countdown
  ) {
    var params = ByteBuffer(capacity: uri.count + 16)
    params.append("{\"uri\":")
    params.append(quoted: uri.rawBytes)
    params.append("}")
    settle(binding, open, method, params.bytes, countdown)
  }

  private func settle(
    _ binding: UpstreamSession, _ open: UpstreamSession.Open, _ method: Method, _ params: RawSpan,
    _ countdown: Countdown
  ) {
    countdown.add()
    guard let id = beginLocal(LocalCall { _ in countdown.done() }, binding.cluster, method) else {
      return countdown.done()
    }
    exchanges[id].deadline = now + Self.patience
    var message = ByteBuffer(capacity: params.byteCount + 96)
    message.append(request: method, id: id.rawValue, params: params)
    carry(exchanges[id], message.bytes, open)
  }
}

/// Runs something once everything that it was told to wait for is done. It waits for its maker first.
private final class Countdown {
  private var left = 1
  private let completion: () -> Void

  init(_ completion: @escaping () -> Void) {
    self.completion = completion
  }

  func add() { left += 1 }

  func done() {
    left -= 1
    if left == 0 { completion() }
  }
}
