import Clusters
import Links
import MCP
import Reactor
import Synchronization
import Upstream
import UpstreamRequests
import Wire
import Workers

/// One worker's part in conversations with upstreams: how they are opened and ended, and how messages go through them. The
/// conversations themselves are shared.
public final class Conversations: NotificationStreamsDelegate {
  private let context: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let requests: Requests
  let streams: EventStreams
  let shared: UpstreamShared
  private let mail: Mailboxes<UpstreamLetter>
  private let notifications: NotificationStreams
  public let mirror: UpstreamMirror
  private let handshake: Handshake
  /// Those that this worker opens.
  private var openings: [OpeningAttempt] = []

  init(_ requests: Requests, _ streams: EventStreams, _ shared: UpstreamShared) {
    context = requests.context
    loop = requests.loop
    head = requests.head
    self.requests = requests
    self.streams = streams
    self.shared = shared
    mail = shared.mail
    notifications = NotificationStreams(requests, streams)
    mirror = UpstreamMirror(requests, notifications)
    handshake = Handshake(requests, streams, notifications, mirror, shared.identity)
    notifications.connect(to: self)
  }

  // MARK: Messages

  /// Sends a finished message through the conversation that its request belongs to, opening that first if need be.
  /// - Parameter caller: the client session whose call it is, where several share the conversation.
  public func send(
    _ request: UpstreamRequest, _ message: RawSpan, _ cluster: Cluster, _ speech: Cluster.Speech,
    of caller: SessionID? = nil
  ) {
    guard let session = request.session else { return requests.fail(request, .internalError("no conversation")) }
    send(request, message, cluster, speech, in: session, of: caller)
  }

  /// The same in that conversation, which is the request's.
  public func send(
    _ request: UpstreamRequest, _ message: RawSpan, _ cluster: Cluster, _ speech: Cluster.Speech,
    in session: UpstreamSession, of caller: SessionID?
  ) {
    let waiter = request.id
    let speaksTooHigh = request.logLevel.map { session.lowerLogLevel(to: $0) } ?? false
    switch session.access(waiter, of: caller) {
    case .open(let open):
      if speaksTooHigh, speech.revision.era == .legacy {
        let id = request.id
        guard requests.park(request, message) else { return }
        return mirror.settleLogLevel(session, open) { [unowned self] in resume(id, failure: nil) }
      }
      requests.carry(request, message, open, cluster)
    case .unheard(let open):
      // What the server asks or tells in the course of the call must find an open stream.
      let id = request.id
      guard requests.park(request, message) else { return }
      if notifications.hear(session, open, for: waiter) { resume(id, failure: nil) }
    case .waiting:
      _ = requests.park(request, message)
    case .yours:
      _ = requests.park(request, message)
      if request.hasOpened, request.opened == nil {
        // It was gone before anything went through it. Again and again it would be, without a pause.
        let endpoint = session.endpoint ?? cluster.leader
        return shared.resume(session.failed(), failure: Unopened("it ended as soon as it was open", at: endpoint))
      }
      request.hasOpened = true
      // Others may wait for it by now.
      open(session, speech, for: request)
    case .closed:
      requests.fail(request, GatewayError(.sessionUnknown))
    }
  }

  /// The conversation is open (or could not be opened): the request that waited goes on.
  func resume(_ id: RequestID, failure: Unopened?) {
    guard let request = requests.find(id), let cluster = request.cluster, let message = requests.memory.unpark(request)
    else {
      return
    }
    if let failure {
      request.hasOpened = false
      request.retries.began(at: failure.endpoint)
      return requests.fail(request, .unavailable(cluster, failure.text, retryAfter: 1000), message)
    }
    guard let speech = cluster.profile?.speech else {
      // The gateway's own questions come before it has said what the upstream is.
      if request.isGatewaysOwn, let open = request.session?.current {
        return requests.carry(request, message.rawBytes, open, cluster)
      }
      return requests.fail(request, .unavailable(cluster, "went away", retryAfter: 1000))
    }
    send(request, message.rawBytes, cluster, speech)
  }

  /// The endpoint that a conversation is opened with.
  private func endpoint(for session: UpstreamSession, _ request: UpstreamRequest?) -> Int {
    if let settled = session.endpoint { return settled }
    let key = request?.routingKey ?? session.owner?.routingKey ?? Principal.anonymous.routingKey
    if let request, let other = requests.other(for: request.retries, key, in: session.cluster) { return other }
    return requests.choose(session.cluster, key, for: request)
  }

  /// Makes sure that a conversation has the stream on which its server tells what belongs to no call.
  public func hear(_ session: UpstreamSession, _ open: UpstreamSession.Open) { notifications.hear(session, open) }

  /// True if a conversation was open with an endpoint that is of no use now while another is, and is over.
  func leave(_ open: UpstreamSession.Open, of session: UpstreamSession) -> Bool {
    let cluster = session.cluster
    guard cluster.hasSeveralEndpoints, session.endpoint == nil,
      cluster.endpoint(open.endpoint).standing.condition(now: loop.now).standing == .down,
      requests.choose(cluster, Principal.anonymous.routingKey) != open.endpoint, session.lost(open)
    else { return false }
    streams.close(streamOf: open)
    return true
  }

  /// What clients have subscribed to elsewhere this conversation is to bring from now on.
  func bringSubscriptions(_ session: UpstreamSession, _ uris: [[UInt8]]) {
    // What is opened gets all of them.
    guard let open = session.current else { return reopen(session) }
    if leave(open, of: session) { return reopen(session) }
    mirror.subscribe(session, open, to: uris)
  }

  // MARK: Opening

  /// Opens a conversation for the calls that wait on it.
  /// - Parameter request: the first of them.
  func open(_ session: UpstreamSession, _ speech: Cluster.Speech, for request: UpstreamRequest? = nil) {
    let (shared, doubt, opener) = (shared, requests.doubt, context.index)
    let endpoint = endpoint(for: session, request)
    let attempt = OpeningAttempt(session, at: endpoint)
    if session.cluster.hasSeveralEndpoints {
      openings.removeAll(where: \.isOver)
      openings.append(attempt)
      if let request { requests.direct(request, to: endpoint) }
    }
    establish(session, at: endpoint, speech.transport, speech.revision.era) { result in
      guard attempt.end() != nil else {
        // It was given up. What came of it all the same is of no use to anybody.
        if case .success(let late) = result { shared.mail.send(.end(late.open, session.cluster), to: opener) }
        return
      }
      let waiters: [RequestID]
      var failure: Unopened?
      switch result {
      case .success(let established):
        let open = established.open
        guard let found = session.opened(open) else {
          // Its client has gone meanwhile.
          return shared.mail.send(.end(open, session.cluster), to: opener)
        }
        waiters = found
        if session.cluster.isStopped { doubt(session.cluster, .woken) }
      case .failure(let error):
        waiters = session.failed()
        failure = Unopened(error.text, at: endpoint)
        doubt(session.cluster, .unreachable(error.text, endpoint: endpoint))
      }
      shared.resume(waiters, failure: failure)
    }
  }

  /// An endpoint does not answer any more: who waits for a conversation to be opened there goes elsewhere.
  func giveUpOpenings(at endpoint: Int, of cluster: Cluster) {
    for attempt in openings where attempt.endpoint == endpoint && attempt.cluster === cluster {
      guard let session = attempt.end() else { continue }
      shared.resume(session.failed(), failure: Unopened("it does not answer", at: endpoint))
    }
    openings.removeAll(where: \.isOver)
  }

  /// Opens a lost conversation anew for what is said outside of calls.
  func reopen(_ session: UpstreamSession) {
    guard let speech = session.cluster.profile?.speech,
      case .yours = session.access(RequestID.none)
    else { return }
    open(session, speech)
  }

  /// Opens a conversation on the worker where it belongs. `completion` may run on another thread.
  /// - Parameters:
  ///   - endpoint: of the session's cluster.
  ///   - isStarting: it is still to be found out what the process speaks.
  public func establish(
    _ session: UpstreamSession, at endpoint: Int, _ transport: Cluster.Transport, _ era: Era, isStarting: Bool = false,
    _ completion: @escaping Opening.Completion
  ) {
    switch transport {
    case .streamableHTTP:
      handshake.begin(session, at: endpoint, over: nil, completion)
    case .stdio, .webSocket:
      // What all share is kept by one worker, whichever needs it first.
      let shared = (session.cluster.number + endpoint) % context.group.workerCount
      let home = session.owner == nil ? shared : context.index
      guard home == context.index else {
        return mail.send(.establish(session, at: endpoint, era, isStarting: isStarting, completion), to: home)
      }
      establishLink(session, at: endpoint, era, isStarting: isStarting, completion)
    case .eventStream:
      handshake.openEventStreamLink(session, at: endpoint, completion)
    case .embedded:
      completion(.failure(.failed("the embedded server needs no conversation")))
    }
  }

  /// The same over a link of this worker.
  func establishLink(
    _ session: UpstreamSession, at endpoint: Int, _ era: Era, isStarting: Bool,
    _ completion: @escaping Opening.Completion
  ) {
    guard let link = requests.links.start(session, session.cluster.endpoint(endpoint)) else {
      return completion(.failure(.unable("the gateway has too many connections open")))
    }
    link.isStarting = isStarting
    guard era == .legacy else {
      let open = UpstreamSession.Open(
        revision: .newest, httpSession: [], link: link.reference, endpoint: endpoint)
      return completion(.success(Opening.Established(open: open, offer: nil)))
    }
    handshake.begin(session, at: endpoint, over: link, completion)
  }

  /// The handshake over a link that was started for somebody to find out what it speaks, and that is theirs to close.
  /// `completion` may run on another thread.
  public func shakeHands(
    _ session: UpstreamSession, over link: LinkReference, _ completion: @escaping Opening.Completion
  ) {
    guard link.worker == context.index else {
      return mail.send(.shakeHands(session, link, completion), to: link.worker)
    }
    guard let link = requests.links.find(link) else { return completion(.failure(.failed("it has ended"))) }
    handshake.begin(session, at: link.endpoint.index, over: link, keeping: true, completion)
  }

  // MARK: Ending

  /// Ends a conversation: its child, its stream, or its HTTP session.
  func end(_ session: UpstreamSession) {
    if let open = session.close() { end(open, session.cluster) }
  }

  func end(_ open: UpstreamSession.Open, _ cluster: Cluster) {
    if let link = open.link { return requests.links.close(link) }
    streams.close(streamOf: open)
    guard open.http != nil, let request = requests.make(.nobody, cluster, at: open.endpoint, as: .none) else { return }
    request.deadline = loop.now + 5000
    head.buffer.clear()
    head.buffer.append(cluster.endpoint(open.endpoint).head("DELETE"))
    requests.appendSession(open)
    head.buffer.appendHeadEnd()
    requests.post(request, RawSpan())
  }
}

/// The opening of a conversation, which is over once: when it is known what came of it, or when it is given up.
private final class OpeningAttempt: Sendable {
  let cluster: Cluster
  let endpoint: Int
  private let session: Mutex<UpstreamSession?>

  init(_ session: UpstreamSession, at endpoint: Int) {
    cluster = session.cluster
    self.endpoint = endpoint
    self.session = Mutex(session)
  }

  var isOver: Bool { session.withLock { $0 == nil } }

  /// What was opened; nil if it was over already.
  func end() -> UpstreamSession? { session.withLock { $0.take() } }
}
