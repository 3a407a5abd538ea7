import Clusters
import Demonstration
import Links
import Logging
import MCP
import Reactor
import UpstreamRequests
import Wire
import Workers

/// What goes from one worker to servers, and comes back: requests, the connections, links and streams that carry them, and
/// the conversations that they belong to. It knows no client; what concerns one it says to its delegate.
///
/// From the bottom: `Links` carry messages, `Requests` are carried, `EventStreams` tell what belongs to none of them,
/// `Conversations` open and end, `UpstreamMessages` and `HTTPExchange` read what comes.
public final class UpstreamClient {
  public let context: WorkerContext
  public let links: Links
  public let requests: Requests
  public let streams: EventStreams
  public let conversations: Conversations
  public let messages: UpstreamMessages
  fileprivate let posts: LinkPosts
  public let http: HTTPExchange
  fileprivate let recoveries: Recoveries
  private let relay: UpstreamRelay
  public let shared: UpstreamShared

  /// - Parameters:
  ///   - demonstration: what answers where no server is configured.
  ///   - doubt: an upstream does not fare as it is believed to; on any thread.
  public init(
    _ context: WorkerContext, _ shared: UpstreamShared, _ demonstration: DemonstrationServer,
    doubt: @escaping @Sendable (Cluster, UpstreamDoubt) -> Void
  ) {
    self.context = context
    relay = UpstreamRelay(context, shared.mail)
    links = Links(context, shared.mail, shared.census, relay)
    requests = Requests(context, links, demonstration, doubt: doubt)
    streams = EventStreams(requests, relay)
    conversations = Conversations(requests, streams, shared)
    messages = UpstreamMessages(requests, conversations)
    posts = LinkPosts(requests)
    http = HTTPExchange(requests, conversations, messages, posts)
    recoveries = Recoveries(requests, conversations)
    requests.connect(to: recoveries)
    self.shared = shared
    relay.enter(self)
    shared.mail.open(context.index, for: relay)
    context.memory.makeRoom = { [requests] in requests.giveUpMessages() }
  }

  deinit { shared.mail.close(context.index) }

  /// Before anything is asked. `armSweep` makes sure that `sweep` is called soon.
  public func connect(to delegate: any UpstreamDelegate, armSweep: @escaping () -> Void) {
    requests.connect(to: delegate, armSweep: armSweep)
  }

  /// Ends a conversation.
  public func end(_ session: UpstreamSession) { conversations.end(session) }
  public func end(_ open: UpstreamSession.Open, _ cluster: Cluster) { conversations.end(open, cluster) }

  /// Ends those that no client has to itself, of all loops.
  public func endShared() { for session in shared.sessions.all { end(session) } }

  // MARK: What the loop reads

  public func upstreamClosed(_ connection: ConnectionID, tag: UInt64, _ error: ReactorError, sent: Bool) {
    let value = TagKind.value(of: tag)
    switch TagKind(of: tag) {
    case .request: http.broke(RequestID(rawValue: value), connection, error, sent: sent)
    case .idle: requests.connections.idleClosed(connection, error)
    case .lingering: requests.connections.lingeringClosed(connection)
    case .upstreamStream: streams.end(connection, status: 0)
    case .link: links.socketClosed(UInt32(value), connection, error)
    default: break
    }
  }

  // MARK: Time

  /// True if there is more to be looked at.
  public func sweep() -> Bool { requests.sweep() }

  /// Calls `done` when nothing of this worker's concerns the cluster any more.
  func leave(_ cluster: Cluster, keepsStake: Bool, _ done: @escaping @Sendable () -> Void) {
    guard requests.leave(cluster, keepsStake: keepsStake) else {
      return context.timers.after(milliseconds: 100) { [unowned self] in
        leave(cluster, keepsStake: keepsStake, done)
      }
    }
    streams.leave(cluster)
    done()
  }

  /// The same for one endpoint.
  func leave(_ endpoint: UpstreamEndpoint, _ done: @escaping @Sendable () -> Void) {
    requests.stakes.close(endpoint)
    guard !requests.contains(where: { $0.endpoint === endpoint }) else {
      return context.timers.after(milliseconds: 100) { [unowned self] in leave(endpoint, done) }
    }
    requests.stakes.leave(endpoint)
    done()
  }
}

/// Takes what links, streams and other loops bring to where it belongs.
final class UpstreamRelay: LinkDelegate, EventStreamDelegate, LetterReader {
  private let context: WorkerContext
  private let mail: Mailboxes<UpstreamLetter>
  private unowned(unsafe) var owner: UpstreamClient?

  init(_ context: WorkerContext, _ mail: Mailboxes<UpstreamLetter>) {
    self.context = context
    self.mail = mail
  }

  func enter(_ client: UpstreamClient) { unsafe owner = client }

  private var client: UpstreamClient { unsafe owner! }
  private var delegate: any UpstreamDelegate { client.requests.delegate }

  // MARK: Links

  /// The request of this worker's that is on its way over a link; nil once it is not.
  private func find(_ id: RequestID, on link: LinkReference) -> UpstreamRequest? {
    guard let request = client.requests.find(id), request.carrier == .link(link) else { return nil }
    return request
  }

  func brought(_ message: RawSpan, _ request: RequestID, over link: LinkReference, isOver: Bool) {
    guard let request = find(request, on: link) else { return }
    if isOver { request.carrier = .none }
    client.messages.receive(request, message)
  }

  func failed(_ id: RequestID, _ link: LinkReference, _ failure: LinkFailure) {
    let client = client
    if case .forgotten = failure { client.links.callEnded(id, link) }
    guard let request = find(id, on: link), let cluster = request.cluster else { return }
    request.carrier = .none
    if case .resting(let message) = failure, let speech = cluster.profile?.speech {
      // Nothing of it has left: it goes where the conversation is by then.
      request.state.waits()
      return client.conversations.send(request, message.rawBytes, cluster, speech)
    }
    let error = failure.error(cluster, limit: context.settings.resultLimit)
    if case .forgotten(_, let message?) = failure, request.method != .initialize, let speech = cluster.profile?.speech,
      request.state.again(after: error.retry)
    {
      return client.conversations.send(request, message.rawBytes, cluster, speech)
    }
    client.requests.fail(request, error)
  }

  func asked(_ question: RawSpan, _ id: RequestID, _ link: LinkReference, isGuess: Bool, attempts: Int) {
    guard let request = find(id, on: link) else {
      return client.links.notAsked(question.array, link, attempts: attempts - 1)
    }
    delegate.asked(question, in: request, isGuess: isGuess)
  }

  func said(_ message: Envelope, on link: Link) { delegate.said(message, .link(link)) }

  func refuse(_ question: Envelope, on link: Link, code: Int, _ why: String) {
    client.messages.refuse(question, link.cluster, link.open, code: code, why)
  }

  func post(_ message: RawSpan, _ request: RequestID?, to link: Link) {
    client.posts.post(message, request, to: link)
  }

  func died(_ link: Link, _ reason: String) {
    if case .eventStream(let connection) = link.medium { client.streams.forget(connection) }
    if link.isResting { client.shared.resume(link.session.failed(), failure: nil) }
    let metadata: Logger.Metadata = ["server": "\(link.cluster.alias)"]
    // A child that was only probed, or that we ended ourselves, is no news.
    guard !link.isProbe, !link.isStarting, !link.isClosing else {
      return context.logger.debug("\(link.cluster.alias) \(reason)", metadata: metadata)
    }
    context.logger.warning("\(link.cluster.alias) \(reason)", metadata: metadata)
    guard link.session.owner == nil else { return }
    // At once, so that no call starts a child of its own before the control loop does.
    if !link.cluster.hasAlternatives { link.cluster.fell(reason) }
    if link.cluster.isProcesses { link.endpoint.standing.update(.unhealthy) }
    client.requests.doubt(link.cluster, .linkDied(reason, endpoint: link.endpoint.index))
  }

  // MARK: Streams

  func said(_ message: RawSpan, on stream: UpstreamStream) {
    let envelopes = context.answerScanner
    let envelope = envelopes.scan(message, depth: context.settings.depth)
    switch envelope.kind {
    case .notification, .request:
      delegate.said(envelope, .stream(stream.cluster, stream.session, stream.open))
    case .batch:
      for element in JSON.elements(of: envelope.message) { said(element.rawBytes, on: stream) }
    case .result, .error:
      answered(envelope, stream)
    case .invalid:
      break
    }
  }

  /// Some servers answer a call on this stream, not on the one of its POST.
  private func answered(_ envelope: Envelope, _ stream: UpstreamStream) {
    guard let open = stream.open, let token = envelope.id, let request = RequestID(token: token),
      request.worker < context.group.loopCount
    else { return }
    guard request.worker != context.index else {
      return client.http.receive(envelope.message, request, beside: open, stream.cluster)
    }
    mail.send(.beside(envelope.message.array, request, open, stream.cluster), to: request.worker)
  }

  // MARK: Letters

  func open(_ letter: UpstreamLetter) {
    let client = client
    switch letter {
    case .send(let message, let link, let request, let caller):
      client.links.send(message.rawBytes, over: link, for: request, of: caller)
    case .callEnded(let request, let link): client.links.callEnded(request, link)
    case .notAsked(let question, let link, let attempts):
      client.links.notAsked(question, link, attempts: attempts)
    case .linkStarted(let link): client.links.started(link)
    case .closeLink(let link): client.links.close(link)
    case .brought(let message, let request, let link, let isOver):
      brought(message.rawBytes, request, over: link, isOver: isOver)
    case .failed(let request, let link, let failure): failed(request, link, failure)
    case .asked(let question, let request, let link, let isGuess, let attempts):
      asked(question.rawBytes, request, link, isGuess: isGuess, attempts: attempts)
    case .beside(let message, let request, let open, let cluster):
      client.http.receive(message.rawBytes, request, beside: open, cluster)
    case .resume(let request, let failure): client.conversations.resume(request, failure: failure)
    case .endpointLost(let cluster, let endpoint): client.recoveries.leave(endpoint, of: cluster)
    case .goOn(let number): client.recoveries.later.goOn(number)
    case .pool(let letter, let endpoint): client.requests.stakes.open(letter, endpoint)
    case .openAhead(let cluster): client.requests.stakes.openAhead(cluster)
    case .closeStream(let connection): client.streams.close(connection)
    case .end(let open, let cluster): client.conversations.end(open, cluster)
    case .isUnread(let link, let reply): client.links.isUnread(link, reply)
    case .idleSince(let link, let reply): client.links.idleSince(link, reply)
    case .rest(let link, let since, let reply): client.links.rest(link, unusedSince: since, reply)
    case .shakeHands(let session, let link, let completion):
      client.conversations.shakeHands(session, over: link, completion)
    case .bringSubscriptions(let session, let uris): client.conversations.bringSubscriptions(session, uris)
    case .leave(let cluster, let keepsStake, let done): client.leave(cluster, keepsStake: keepsStake, done)
    case .leaveEndpoint(let endpoint, let done): client.leave(endpoint, done)
    case .establish(let session, let endpoint, let era, let isStarting, let completion):
      client.conversations.establishLink(session, at: endpoint, era, isStarting: isStarting, completion)
    }
  }
}
