import MCP
import Reactor
import Wire

/// The GET streams of legacy upstream sessions, on which servers ask and tell what belongs to no call. A session has its
/// stream before the first call goes out; one that broke is opened again when somebody listens, or by the next call, but
/// not before the server wants it where it has said so. To the gateway's own sessions the control loop listens.
extension Worker {
  /// How long a server may take to begin a stream, in milliseconds.
  static var streamHeadTime: UInt64 { 2000 }
  /// That of one which takes longer: so that the request for its stream reaches it before the call does.
  private static var streamHeadStart: UInt64 { 100 }
  /// What lasted as long was of use, whether it brought anything or not.
  private static var steadyTime: UInt64 { 1000 }

  /// A session listens now: what its own upstream conversations say outside of calls has somewhere to go.
  func sessionListens(_ session: Session) {
    for (binding, open) in session.openUpstreams { hear(binding, open) }
  }

  /// Opens the stream of a session that the server has just given. `completion` is called when the server has begun it,
  /// has refused it, or takes too long.
  func openFirstStream(
    of binding: UpstreamSession, _ open: UpstreamSession.Open, _ completion: @escaping () -> Void
  ) {
    let opens = open.http != nil && !binding.isFollowed && binding.cluster.streams != .none
    binding.begun(open, opens: opens)
    guard opens else { return completion() }
    openStream(of: binding, open, after: [], completion)
  }

  /// Whether what a conversation says outside of calls is for anybody, with no call on its way.
  private func isHeard(_ binding: UpstreamSession) -> Bool {
    guard let owner = binding.owner else { return true }
    guard let session = gateway.sessions.find(owner) else { return false }
    return session.withState { state in
      !state.ended
        && (session.socket != nil || !state.subscriptions.isEmpty || state.logLevel != nil || state.log.isListened)
    }
  }

  /// Makes sure that a conversation has its stream, if it can have one. False if that takes a while: `waiter` will be
  /// resumed.
  @discardableResult
  func hear(
    _ binding: UpstreamSession, _ open: UpstreamSession.Open, for waiter: UpstreamSession.Waiter? = nil
  ) -> Bool {
    switch binding.hear(open, waiter) {
    case .settled:
      return true
    case .waiting:
      return false
    case .yours:
      openStream(of: binding, open, after: binding.lastEventID)
      return false
    }
  }

  private func openStream(
    of binding: UpstreamSession, _ open: UpstreamSession.Open, after lastEventID: [UInt8],
    _ completion: (() -> Void)? = nil
  ) {
    let stream = UpstreamStream(binding.cluster, .notifications, binding: binding, open: open)
    stream.lastEventID = lastEventID
    let opening = LocalOpening { [unowned self] in
      settle(binding, open)
      completion?()
    }
    stream.settled = { [unowned self, unowned stream] in
      stream.acceptedAt = now
      binding.cluster.note(.given)
      opening.complete()
    }
    stream.ended = { [unowned self, unowned stream] status in
      opening.complete()
      streamEnded(stream, of: binding, open, status: status)
    }
    stream.moved = { open.http?.streamMoved(to: $0) }
    guard let connection = openNotificationStream(stream) else { return stream.end(status: 0) }
    open.http?.streamMoved(to: connection)
    // Whoever ended the session meanwhile did not know of it.
    guard binding.isCurrent(open) else { return closeStream(of: open) }
    let isSlow = binding.cluster.streams == .slow
    after(milliseconds: isSlow ? Self.streamHeadStart : Self.streamHeadTime) {
      guard !opening.isComplete else { return }
      binding.cluster.note(.slow)
      opening.complete()
    }
  }

  /// Who waited for the stream goes on, with it or without.
  private func settle(_ binding: UpstreamSession, _ open: UpstreamSession.Open) {
    for waiter in binding.heard(open) {
      on(waiter.worker) { $0.resumeParked(waiter.exchange, failure: nil) }
    }
  }

  private func streamEnded(
    _ stream: UpstreamStream, of binding: UpstreamSession, _ open: UpstreamSession.Open, status: Int
  ) {
    let wasOfUse = stream.hasSpoken || stream.acceptedAt.map { now >= $0 + Self.steadyTime } ?? false
    let end = NotificationStreamState.End(
      status: status, wasAccepted: stream.accepted, wasOfUse: wasOfUse, lastEventID: stream.lastEventID,
      retry: stream.retry)
    switch binding.unheard(open, end) {
    case nil:
      break
    case .giveUp:
      binding.cluster.noteRefusal(status)
    case .sessionLost:
      // What was settled in it is settled again in a new one.
      if binding.lost(open), isHeard(binding) { reopen(binding) }
    case .again(let delay):
      after(milliseconds: delay) { [unowned self] in
        guard isHeard(binding) else { return binding.rested(open) }
        guard let lastEventID = binding.hearAgain(open) else { return }
        openStream(of: binding, open, after: lastEventID)
      }
    }
  }

  /// Closes the stream of a session that is over.
  func closeStream(of open: UpstreamSession.Open) {
    guard let connection = open.http?.takeStream() else { return }
    on(connection.worker) { worker in
      guard worker.upstreamStreams.removeValue(forKey: connection) != nil else { return }
      worker.loop.abort(connection)
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
    headScratch.buffer.append(stream.cluster.head("GET", target: stream.target, accept: "text/event-stream"))
    appendSession(open)
    let lastEventID = stream.lastEventID
    if !lastEventID.isEmpty { headScratch.buffer.append(header: .lastEventID, lastEventID.rawBytes) }
    headScratch.buffer.appendHeadEnd()
    return openUpstreamStream(stream, head: headBytes)
  }
}

/// What waits until a stream has begun, was refused or takes too long; whichever comes first.
final class LocalOpening {
  private var completion: (() -> Void)?

  init(_ completion: @escaping () -> Void) {
    self.completion = completion
  }

  var isComplete: Bool { completion == nil }

  func complete() {
    let completion = completion
    self.completion = nil
    completion?()
  }
}
