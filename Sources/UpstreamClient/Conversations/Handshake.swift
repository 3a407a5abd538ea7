import Clusters
import Configuration
import Links
import MCP
import Reactor
import Translation
import UpstreamRequests
import Wire
import Workers

/// How a conversation opens: the handshake of the legacy era, and the stream of HTTP+SSE before it.
final class Handshake {
  private let context: WorkerContext
  private let head: Scratch
  private let requests: Requests
  private let streams: EventStreams
  private let notifications: NotificationStreams
  private let mirror: UpstreamMirror
  private let identity: Identity

  init(
    _ requests: Requests, _ streams: EventStreams, _ notifications: NotificationStreams, _ mirror: UpstreamMirror,
    _ identity: Identity
  ) {
    context = requests.context
    head = requests.head
    self.requests = requests
    self.streams = streams
    self.notifications = notifications
    self.mirror = mirror
    self.identity = identity
  }

  private var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }

  private func time(_ session: UpstreamSession, _ link: Link?) -> UInt64 {
    // A command may have to be downloaded before it runs, and as long as it lives it is on its way.
    if let link, case .child = link.medium { return context.settings.configuration.startTimeout.milliseconds }
    // A client that waits for its session gives a busy server the time that a call has.
    let isProbe = session.owner == nil
    let probeTimeout = context.settings.configuration.limits.probeTimeout.milliseconds
    return isProbe ? session.cluster.probeTimeout(within: probeTimeout) : context.settings.callTimeout
  }

  /// `initialize`, then `notifications/initialized`.
  /// - Parameters:
  ///   - endpoint: of the session's cluster; where the link leads, if there is one.
  ///   - keeping: the link is the caller's to close, whatever comes of it.
  func begin(
    _ session: UpstreamSession, at endpoint: Int, over link: Link?, keeping: Bool = false,
    _ completion: @escaping Opening.Completion
  ) {
    let reference = link?.reference
    let call = LocalCall { [unowned self] outcome in
      switch outcome {
      case .message(_, let status, _) where session.cluster.isSecondFace && (status == 429 || status >= 500):
        completion(.failure(.status(HTTPRefusal(status: status), retryAfter: nil)))
      case .message(let bytes, _, let httpSession):
        initialized(session, endpoint, reference, bytes, httpSession) { [unowned self] result in
          if case .failure = result, !keeping, let reference { requests.links.find(reference)?.close() }
          completion(result)
        }
      case .status(let refusal, let retryAfter):
        completion(.failure(.status(refusal, retryAfter: retryAfter)))
      case .failed(let why):
        if !keeping, let reference { requests.links.find(reference)?.close() }
        completion(.failure(.failed(why)))
      }
    }
    let timeout = time(session, link)
    guard let request = requests.make(call, session.cluster, at: endpoint, .initialize, timeout: timeout) else {
      return completion(.failure(.unable("the gateway has too many calls in flight")))
    }
    request.session = session
    var params = ByteBuffer(capacity: 192)
    params.append(initializeParams: identity, capabilities: session.abilities)
    var message = ByteBuffer(capacity: 256)
    message.append(request: .initialize, id: request.id.rawValue, params: params.bytes)
    if let reference {
      request.carrier = .link(reference)
      request.state.sent()
      return requests.links.send(message.bytes, over: reference, for: request.id)
    }
    let reader = requests.takeReader()
    reader.keepsHTTPSession = true
    request.reader = reader
    call.request = ([], message.bytes.array)
    requests.writeHead(of: request, lines: RawSpan(), length: message.count)
    requests.post(request, message.bytes)
  }

  private func initialized(
    _ session: UpstreamSession, _ endpoint: Int, _ link: LinkReference?, _ answer: [UInt8], _ httpSession: [UInt8],
    _ completion: @escaping (Result<Opening.Established, Opening.Failure>) -> Void
  ) {
    let envelopes = context.answerScanner
    let envelope = envelopes.scan(answer.rawBytes)
    guard envelope.kind == .result, let revision = Revision(token: envelope.value(ResultKey.protocolVersion)),
      revision.era == .legacy
    else {
      let why = envelope.errorMessage ?? "it speaks no revision known here"
      return completion(.failure(.refused(why)))
    }
    session.cluster.endpoint(endpoint).standing.answered(now: context.now)
    let open = UpstreamSession.Open(
      revision: revision, httpSession: httpSession, link: link, endpoint: endpoint)
    let established = Opening.Established(
      open: open, offer: ServerOffer(alias: session.cluster.alias, answer: envelope, revision: revision))
    var notification = ByteBuffer(capacity: 64)
    notification.append(notification: .notifyInitialized)
    if let link {
      requests.links.send(notification.bytes, over: link)
      return mirror.restore(session, established) { completion(.success(established)) }
    }
    // Servers refuse calls that overtake the notification on another connection, so its 202 is awaited.
    let call = LocalCall { [unowned self] _ in
      notifications.openFirst(of: session, open) { [unowned self] in
        mirror.restore(session, established) { completion(.success(established)) }
      }
    }
    guard let request = requests.make(call, session.cluster, at: endpoint, .notifyInitialized, timeout: 5000) else {
      return completion(.failure(.failed("the gateway has too many calls in flight")))
    }
    head.buffer.clear()
    requests.appendSession(open)
    call.request = (headBytes.array, notification.bytes.array)
    requests.writeHead(of: request, open, lines: RawSpan(), length: notification.count)
    requests.post(request, notification.bytes)
  }

  // MARK: HTTP+SSE

  func openEventStreamLink(
    _ session: UpstreamSession, at endpoint: Int, _ completion: @escaping Opening.Completion
  ) {
    guard let (link, stream) = streams.openLink(session, session.cluster.endpoint(endpoint)) else {
      return completion(.failure(.failed("the gateway has too many connections open")))
    }
    stream.ended = { [unowned stream] status in
      guard link.requestHead.isEmpty else { return }
      if let refusal = stream.refusal { return completion(.failure(.failed(refusal))) }
      guard status != 0 else { return completion(.failure(.failed("the connection failed"))) }
      completion(.failure(.status(stream.unfit ?? HTTPRefusal(status: status), retryAfter: nil)))
    }
    link.whenEndpointIsKnown = { [unowned self] in begin(session, at: endpoint, over: link, completion) }
    context.timers.after(milliseconds: context.settings.configuration.limits.probeTimeout.milliseconds) {
      [unowned self] in
      guard link.requestHead.isEmpty, !link.isDead, case .eventStream(let connection) = link.medium else { return }
      streams.drop(connection)
      link.died("sent no endpoint event")
      completion(.failure(.failed("it sent no endpoint event")))
    }
  }
}
