import Clusters
import Links
import MCP
import Reactor
import Upstream
import UpstreamRequests
import Wire
import Workers

/// Requests of clients that came to nothing and go out once more: at another endpoint, over another connection, or when
/// their server is back. Which may, `RetryState` says; what their client hears of it is that the answer takes longer.
final class Recoveries: RequestRecovery {
  private let context: WorkerContext
  private let loop: EventLoop
  private let requests: Requests
  private let conversations: Conversations
  let later: Continuations<UpstreamLetter>

  init(_ requests: Requests, _ conversations: Conversations) {
    context = requests.context
    loop = requests.loop
    self.requests = requests
    self.conversations = conversations
    later = Continuations(context, conversations.shared.mail, UpstreamLetter.goOn)
  }

  // MARK: Whether, and how

  func recovers(_ request: UpstreamRequest, _ error: GatewayError, _ message: [UInt8]?) -> Bool {
    guard let attempt = attempt(of: request, error), request.reader?.rewriter == nil, let hold = request.hold?.kept,
      let copy = copy(of: request, message)
    else { return false }
    let cluster = hold.cluster
    switch requests.failed(request, attempt, in: cluster) {
    case .giveUp(.attempts), .giveUp(.budget), .giveUp(.pointless):
      return attempt == .unsent && waitForReturn(request, copy, cluster, error)
    case .giveUp:
      return false
    case .again(let pause):
      let other = requests.other(for: request.retries, nil, in: cluster)
      // A server that went away as a whole is waited for.
      if attempt == .unsent, other == nil { return waitForReturn(request, copy, cluster, error) }
      leave(request)
      if pause > 0 { return goOn(after: pause, request, copy, cluster, error) }
      send(request, copy, cluster, error, elsewhere: other)
      return true
    }
  }

  /// How a request came to nothing; nil where that is no reason to repeat any.
  private func attempt(of request: UpstreamRequest, _ error: GatewayError) -> FailedAttempt? {
    switch error.kind {
    case .upstreamUnreachable, .circuitOpen, .upstreamBusy: return .unsent
    case .upstreamClosed:
      guard let since = request.reusedAt, request.state.isUnanswered else { return .failed(.transport) }
      return .lostOnUsedConnection(after: loop.now - since)
    case .upstreamRefused:
      guard let status = request.reader?.status, status >= 500 else { return nil }
      return .failed(.serverError)
    case .upstreamInvalid: return .failed(.garbage)
    case .resultTooLarge: return .failed(.transport)
    default: return nil
    }
  }

  /// A request's message, as its client or as its upstream knows it.
  private struct Copy {
    var message: [UInt8]
    /// It is to be routed and translated once more.
    var isClients: Bool
  }

  private func copy(of request: UpstreamRequest, _ message: [UInt8]?) -> Copy? {
    if let message { return Copy(message: message, isClients: false) }
    return request.reader?.kept.map { Copy(message: $0, isClients: request.revision.era == .modern) }
  }

  // MARK: Again

  /// What came of it so far is over.
  private func leave(_ request: UpstreamRequest) {
    if let reader = request.reader {
      requests.memory.uncover(reader)
      request.reader = nil
    }
    request.state.waits()
  }

  private func send(
    _ request: UpstreamRequest, _ copy: Copy, _ cluster: Cluster, _ error: GatewayError, elsewhere other: Int?
  ) {
    if copy.isClients { return requests.delegate.redirected(request, copy.message) }
    guard let speech = cluster.profile?.speech, speech.revision == request.revision, var session = request.session
    else { return requests.delegate.failed(request, error) }
    if let other { session = move(request, session, to: other) }
    request.opened = nil
    request.hasOpened = false
    conversations.send(request, copy.message.rawBytes, cluster, speech, in: session, of: nil)
  }

  /// The conversation by which a request goes to another endpoint: who shares one has one with each, and what a client has to
  /// itself is opened there anew.
  private func move(_ request: UpstreamRequest, _ session: UpstreamSession, to other: Int) -> UpstreamSession {
    if session.endpoint != nil {
      guard let sibling = conversations.shared.sessions.sibling(of: session, at: other) else { return session }
      request.session = sibling
      return sibling
    }
    if let open = request.opened, open.endpoint != other, session.lost(open) {
      conversations.end(open, session.cluster)
    }
    return session
  }

  /// An endpoint does not answer any more: what may be asked elsewhere does not wait for its answers, nor what has not left
  /// for a connection to it.
  func leave(_ endpoint: Int, of cluster: Cluster) {
    conversations.giveUpOpenings(at: endpoint, of: cluster)
    let left = requests.ids { request in
      (request.awaitsConnection || request.isClients && request.retries.isRepeatable && request.state.isUnanswered)
        && request.hold?.with({ $0.cluster === cluster && $0.endpoint.index == endpoint }) == true
    }
    for id in left {
      guard let request = requests.find(id) else { continue }
      if request.awaitsConnection {
        requests.fail(request, .unavailable(cluster, "it does not answer", retryAfter: 1000))
      } else if request.carrier != .none {
        requests.cancel(request, reason: "the endpoint does not answer")
        requests.fail(request, .lost(cluster, "it does not answer"))
      }
    }
  }

  // MARK: Later

  /// Between two tries of one that waits, in milliseconds: so that it is in no hurry where its server only seems to be back.
  private static var pause: UInt64 { 50 }

  /// The server went away: what it has not got waits for it, for as long as a call may wait to get through.
  private func waitForReturn(
    _ request: UpstreamRequest, _ copy: Copy, _ cluster: Cluster, _ error: GatewayError
  ) -> Bool {
    // What is full or open is not on its way back, unless it is known to be.
    guard error.kind == .upstreamUnreachable || error.kind == .circuitOpen && cluster.isComingBack else { return false }
    let now = loop.now
    let pause = request.waitsUntil == 0 ? 0 : Self.pause
    if request.waitsUntil == 0 { request.waitsUntil = min(request.deadline, now + cluster.checkoutTimeout) }
    guard request.waitsUntil > now + pause else { return false }
    leave(request)
    guard requests.park(request, copy.message.rawBytes) else { return true }
    let (id, isClients) = (request.id, copy.isClients)
    let done = later.once(within: request.waitsUntil - now) { [unowned self] in
      goOn(id, isClients: isClients, cluster, error)
    }
    guard pause > 0 else {
      requests.doubt(cluster, .awaited(done))
      return true
    }
    context.timers.after(milliseconds: pause) { [unowned self] in requests.doubt(cluster, .awaited(done)) }
    return true
  }

  /// The same after a pause.
  private func goOn(
    after pause: UInt64, _ request: UpstreamRequest, _ copy: Copy, _ cluster: Cluster, _ error: GatewayError
  ) -> Bool {
    guard requests.park(request, copy.message.rawBytes) else { return true }
    let (id, isClients) = (request.id, copy.isClients)
    context.timers.after(milliseconds: pause) { [unowned self] in
      guard let request = requests.find(id), let message = requests.memory.unpark(request) else { return }
      let other = requests.other(for: request.retries, nil, in: cluster)
      send(request, Copy(message: message, isClients: isClients), cluster, error, elsewhere: other)
    }
    return true
  }

  private func goOn(_ id: RequestID, isClients: Bool, _ cluster: Cluster, _ error: GatewayError) {
    guard let request = requests.find(id), let message = requests.memory.unpark(request) else { return }
    guard cluster.isReady, request.waitsUntil > loop.now else {
      // That it was there was true when it was asked.
      let isAgain =
        cluster.isComingBack && waitForReturn(request, Copy(message: message, isClients: isClients), cluster, error)
      return isAgain ? () : requests.delegate.failed(request, error)
    }
    send(request, Copy(message: message, isClients: isClients), cluster, error, elsewhere: nil)
  }
}
