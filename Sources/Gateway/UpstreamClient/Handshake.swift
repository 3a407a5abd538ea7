import MCP
import Reactor
import Wire

/// Opening conversations with upstreams: the handshake of the legacy era, children, event streams.
extension Worker {
  struct Established: Sendable {
    var open: UpstreamSession.Open
    /// What the server said of itself; nil where no handshake was needed.
    var offer: ServerOffer?
  }

  enum EstablishFailure: Error, Sendable {
    /// An HTTP status that is no answer to `initialize`.
    case status(HTTPRefusal, retryAfter: UInt64?)
    case failed(String)
    /// The gateway itself has no room for it.
    case unable(String)
    /// The server's answer to `initialize` is an error, or names no revision known here.
    case refused(String)

    var text: String {
      switch self {
      case .status(let refusal, _): refusal.text
      case .failed(let text), .unable(let text): text
      case .refused(let why): "initialize was refused: \(why)"
      }
    }
  }

  typealias Completion = @Sendable (Result<Established, EstablishFailure>) -> Void

  /// Opens a conversation for the calls that wait on it.
  func open(_ binding: UpstreamSession, _ profile: Cluster.Profile) {
    let gateway = gateway
    let opener = index
    establish(binding, profile.transport, profile.revision.era) { result in
      let waiters: [UpstreamSession.Waiter]
      var failure: String?
      switch result {
      case .success(let established):
        let open = established.open
        guard let found = binding.opened(open) else {
          // Its client has gone meanwhile.
          return gateway.post(to: opener) { $0.end(open, binding.cluster) }
        }
        waiters = found
      case .failure(let error):
        waiters = binding.failed()
        failure = error.text
        gateway.control?.suspect(binding.cluster, error.text)
      }
      for waiter in waiters {
        gateway.post(to: waiter.worker) { [failure] in $0.resumeParked(waiter.exchange, failure: failure) }
      }
    }
  }

  /// Opens a conversation on the worker where it belongs. `completion` may run on another thread.
  /// - Parameter isStarting: it is still to be found out what the process speaks.
  func establish(
    _ binding: UpstreamSession, _ transport: Cluster.Transport, _ era: Era, isStarting: Bool = false,
    _ completion: @escaping Completion
  ) {
    switch transport {
    case .streamableHTTP:
      shakeHands(binding, nil, completion)
    case .stdio, .webSocket:
      // What all share is kept by one worker, whichever needs it first.
      let owner = binding.owner == nil ? binding.cluster.number % gateway.workerCount : index
      on(owner) { worker in
        guard let link = worker.startLink(binding) else {
          return completion(.failure(.unable("the gateway has too many connections open")))
        }
        link.isStarting = isStarting
        guard era == .legacy else {
          let open = UpstreamSession.Open(revision: .newest, httpSession: [], link: link.reference)
          return completion(.success(Established(open: open, offer: nil)))
        }
        worker.shakeHands(binding, link, completion)
      }
    case .eventStream:
      openEventStreamLink(binding, completion)
    case .embedded:
      completion(.failure(.failed("the embedded server needs no conversation")))
    }
  }

  private func handshakeTime(_ binding: UpstreamSession, _ link: Link?) -> UInt64 {
    // A command may have to be downloaded before it runs, and as long as it lives it is on its way.
    if let link, case .child = link.wire { return settings.configuration.startTimeout.milliseconds }
    // A client that waits for its session gives a busy server the time that a call has.
    let isProbe = binding.owner == nil
    return isProbe ? settings.configuration.limits.probeTimeout.milliseconds : settings.callTimeout
  }

  /// `initialize`, then `notifications/initialized`.
  /// - Parameter keeping: the link is the caller's to close, whatever comes of it.
  func shakeHands(
    _ binding: UpstreamSession, _ link: Link?, keeping: Bool = false, _ completion: @escaping Completion
  ) {
    let reference = link?.reference
    let call = LocalCall { [self] outcome in
      switch outcome {
      case .message(_, let status, _) where binding.cluster.isSecondFace && (status == 429 || status >= 500):
        completion(.failure(.status(HTTPRefusal(status: status), retryAfter: nil)))
      case .message(let bytes, _, let httpSession):
        initialized(binding, reference, bytes, httpSession) { [self] result in
          if case .failure = result, !keeping, let reference { links[reference.number]?.close() }
          completion(result)
        }
      case .status(let refusal, let retryAfter):
        completion(.failure(.status(refusal, retryAfter: retryAfter)))
      case .failed(let why):
        if !keeping, let reference { links[reference.number]?.close() }
        completion(.failure(.failed(why)))
      }
    }
    guard let id = beginLocal(call, binding.cluster, .initialize) else {
      return completion(.failure(.unable("the gateway has too many calls in flight")))
    }
    exchanges[id].binding = binding
    exchanges[id].deadline = now + handshakeTime(binding, link)
    var message = ByteBuffer(capacity: 256)
    var params = ByteBuffer(capacity: 192)
    params.append(initializeParams: GatewayState.identity, capabilities: binding.abilities)
    message.append(request: .initialize, id: id.rawValue, params: params.bytes)
    if let reference {
      exchanges[id].carrier = .link(reference)
      return sendLink(reference, message.bytes, id)
    }
    let reader = takeReader()
    reader.keepsHTTPSession = true
    exchanges[id].reader = reader
    call.request = ([], message.bytes.array)
    headScratch.buffer.clear()
    headScratch.buffer.append(binding.cluster.requestHead)
    headScratch.buffer.append(contentLength: message.count)
    headScratch.buffer.appendHeadEnd()
    post(exchanges[id], message.bytes, binding.cluster)
  }

  private func initialized(
    _ binding: UpstreamSession, _ link: LinkReference?, _ answer: [UInt8], _ httpSession: [UInt8],
    _ completion: @escaping Completion
  ) {
    let envelopes = answerScanner
    let envelope = envelopes.scan(answer.rawBytes)
    guard envelope.kind == .result, let revision = Revision(token: envelope.value(ResultKey.protocolVersion)),
      revision.era == .legacy
    else {
      let why = envelope.errorMessage ?? "it speaks no revision known here"
      return completion(.failure(.refused(why)))
    }
    let open = UpstreamSession.Open(revision: revision, httpSession: httpSession, link: link)
    let established = Established(
      open: open, offer: ServerOffer(alias: binding.cluster.alias, answer: envelope, revision: revision))
    var notification = ByteBuffer(capacity: 64)
    notification.append(notification: .notifyInitialized)
    if let link {
      sendLink(link, notification.bytes, nil)
      return restore(binding, established) { completion(.success(established)) }
    }
    // Servers refuse calls that overtake the notification on another connection, so its 202 is awaited.
    let call = LocalCall { [self] _ in
      openFirstStream(of: binding, open) { [self] in
        restore(binding, established) { completion(.success(established)) }
      }
    }
    guard let id = beginLocal(call, binding.cluster, .notifyInitialized) else {
      return completion(.failure(.failed("the gateway has too many calls in flight")))
    }
    exchanges[id].deadline = now + 5000
    headScratch.buffer.clear()
    appendSession(open)
    call.request = (headBytes.array, notification.bytes.array)
    headScratch.buffer.clear()
    headScratch.buffer.append(binding.cluster.requestHead)
    appendSession(open)
    headScratch.buffer.append(contentLength: notification.count)
    headScratch.buffer.appendHeadEnd()
    post(exchanges[id], notification.bytes, binding.cluster)
  }

  /// An exchange whose answer the gateway itself awaits.
  func beginLocal(_ call: LocalCall, _ cluster: Cluster, _ method: Method) -> ExchangeID? {
    guard let id = exchanges.make(.local(call)) else { return nil }
    exchanges[id].cluster = cluster
    exchanges[id].method = method
    exchanges[id].startedAt = now
    exchanges[id].deadline = now + settings.callTimeout
    exchanges[id].decideAt = .max
    armSweep()
    return id
  }

  /// Asks an upstream something on the gateway's own behalf, over an open legacy conversation or in the modern era.
  /// - Parameter timeout: nil for a listen, which has no end of its own.
  @discardableResult
  func ask(
    _ cluster: Cluster, _ profile: Cluster.Profile, _ binding: UpstreamSession?, _ method: Method,
    members: [UInt8], timeout: UInt64?, _ call: LocalCall
  ) -> ExchangeID? {
    guard let id = beginLocal(call, cluster, method) else {
      call.complete(.failed("the gateway has too many calls in flight"))
      return nil
    }
    exchanges[id].binding = binding
    exchanges[id].serverRevision = profile.revision
    exchanges[id].deadline = timeout.map { now + $0 } ?? .max
    var message = ByteBuffer(capacity: 512)
    if profile.revision.era == .modern {
      message.append(
        modernRequest: method, id: id.rawValue, members: members.rawBytes, meta: gateway.requestMeta)
    } else {
      var params = ByteBuffer()
      if !members.isEmpty {
        params.append("{")
        params.append(members)
        params.append("}")
      }
      message.append(request: method, id: id.rawValue, params: params.bytes)
    }
    if profile.revision.era == .modern, profile.transport == .streamableHTTP {
      headScratch.buffer.clear()
      headScratch.buffer.append(header: .mcpProtocolVersion, profile.revision.label)
      headScratch.buffer.append(header: .mcpMethod, method.name)
      let lines = headBytes.array
      call.request = (lines, message.bytes.array)
      headScratch.buffer.clear()
      headScratch.buffer.append(cluster.requestHead)
      headScratch.buffer.append(lines)
      headScratch.buffer.append(contentLength: message.count)
      headScratch.buffer.appendHeadEnd()
      post(exchanges[id], message.bytes, cluster)
      return id
    }
    send(exchanges[id], message.bytes, cluster, profile)
    return id
  }
}
