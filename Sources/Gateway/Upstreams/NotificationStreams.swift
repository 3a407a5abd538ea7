import MCP
import Reactor
import Wire

/// The GET streams of legacy upstream sessions, on which servers say what belongs to no call. The one of a client's own
/// conversation opens once that client has something to hear there (DESIGN 9), at most one per upstream session.
extension Worker {
  /// A session listens now: what its own upstream conversations say outside of calls has somewhere to go.
  func sessionListens(_ session: Session) {
    for (binding, open) in session.openUpstreams { hear(binding, open) }
  }

  /// A conversation was opened: it gets its stream if somebody waits for what comes on it.
  func conversationOpened(_ binding: UpstreamSession, _ open: UpstreamSession.Open) {
    if isHeard(binding) { hear(binding, open) }
  }

  /// Whether what a conversation says outside of calls is for anybody.
  private func isHeard(_ binding: UpstreamSession) -> Bool {
    guard let owner = binding.owner else { return !binding.subscriptions.isEmpty }
    guard let session = gateway.sessions.find(owner) else { return false }
    return session.withState { state in
      !state.ended
        && (session.socket != nil || !state.subscriptions.isEmpty || state.logLevel != nil || state.log.isListened)
    }
  }

  /// Makes sure that a conversation has its stream, if it can have one. False if that takes a while: `waiter` will be
  /// resumed. Links need none, and the gateway itself listens to what all share.
  @discardableResult
  func hear(
    _ binding: UpstreamSession, _ open: UpstreamSession.Open, for waiter: UpstreamSession.Waiter? = nil
  ) -> Bool {
    guard open.link == nil, !open.httpSession.isEmpty, binding.cluster.isolation != .shared else { return true }
    switch binding.hear(open, waiter) {
    case .settled:
      return true
    case .waiting:
      return false
    case .yours:
      openStream(of: binding, open, nil)
      return false
    }
  }

  /// What is known of a stream that is to be taken up again.
  private struct BrokenStream {
    var lastEventID: [UInt8]
    /// Attempts since the server last took it.
    var failures: UInt64
    /// The server did take it once, so that a refusal is no sign that it has no such streams.
    var wasAccepted: Bool
  }

  private func openStream(
    of binding: UpstreamSession, _ open: UpstreamSession.Open, _ broken: BrokenStream?
  ) {
    let stream = UpstreamStream(binding.cluster, .notifications, binding: binding, open: open)
    stream.lastEventID = broken?.lastEventID ?? []
    stream.settled = { [unowned self] in settle(binding, open) }
    stream.ended = { [unowned self, unowned stream] status in
      settle(binding, open)
      streamEnded(stream, of: binding, open, status: status, broken)
    }
    if openNotificationStream(stream) == nil { stream.end(status: 0) }
  }

  /// Who waited for the stream goes on, with it or without.
  private func settle(_ binding: UpstreamSession, _ open: UpstreamSession.Open) {
    for waiter in binding.heard(open) {
      on(waiter.worker) { $0.resumeParked(waiter.exchange, failure: nil) }
    }
  }

  private func streamEnded(
    _ stream: UpstreamStream, of binding: UpstreamSession, _ open: UpstreamSession.Open, status: Int,
    _ before: BrokenStream?
  ) {
    guard isHeard(binding) else { return binding.unheard(open) }
    var broken = BrokenStream(
      lastEventID: stream.lastEventID, failures: stream.accepted ? 0 : (before?.failures ?? 0) + 1,
      wasAccepted: stream.accepted || before?.wasAccepted == true)
    switch status {
    case 0, 200, 429, 500...:
      break
    case 404 where broken.wasAccepted:
      // The upstream has ended the session: what was settled in it is settled again in a new one.
      if binding.lost(open) { reopen(binding) }
      return
    case _ where !stream.accepted && !broken.lastEventID.isEmpty:
      // It does not know that event any more: from now on, then [6.4].
      broken.lastEventID = []
    case 400 where broken.wasAccepted:
      // So say servers that do not know the session any more, too.
      if binding.lost(open) { reopen(binding) }
      return
    default:
      // 405 and its like: it has nothing to say.
      return
    }
    let delay = stream.retry ?? min(UInt64(500) << min(broken.failures, 6), 30_000)
    after(milliseconds: min(delay, 30_000)) { [unowned self, broken] in
      guard let current = binding.current, current.isSame(as: open) else { return }
      guard isHeard(binding) else { return binding.unheard(open) }
      openStream(of: binding, open, broken)
    }
  }

  /// Opens a lost conversation anew for what is said outside of calls.
  func reopen(_ binding: UpstreamSession) {
    guard let profile = binding.cluster.profile,
      case .yours = binding.access(UpstreamSession.Waiter(worker: index, exchange: .none))
    else { return }
    open(binding, profile)
  }

  /// GET of a legacy upstream session.
  @discardableResult
  func openNotificationStream(_ stream: UpstreamStream) -> ConnectionID? {
    guard let open = stream.open else { return nil }
    headScratch.buffer.clear()
    headScratch.buffer.append(stream.cluster.head("GET", accept: "text/event-stream"))
    appendSession(open)
    let lastEventID = stream.lastEventID
    if !lastEventID.isEmpty { headScratch.buffer.append(header: .lastEventID, lastEventID.rawBytes) }
    headScratch.buffer.appendHeadEnd()
    return openUpstreamStream(stream, head: headBytes)
  }
}
