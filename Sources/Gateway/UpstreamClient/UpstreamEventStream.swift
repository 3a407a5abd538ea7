import MCP
import Reactor
import Wire

/// A stream that an upstream keeps open toward us beside the calls: the GET stream of a legacy session, a modern
/// `subscriptions/listen`, or the one stream of HTTP+SSE.
final class UpstreamStream {
  enum Role {
    /// GET of a legacy session, or a listen.
    case notifications
    /// HTTP+SSE: responses come here too.
    case link(Link)
  }

  let cluster: Cluster
  let role: Role
  /// The conversation that it belongs to; nil for a listen.
  let binding: UpstreamSession?
  let open: UpstreamSession.Open?
  let parser = SSEParser()
  /// Where redirects have led it to; nil for where the server is.
  private(set) var target: String?
  private var redirects = 0
  /// Why a redirect was not followed.
  private(set) var refusal: String?
  var buffer = ByteBuffer()
  /// The event that is coming in is too large and left out.
  var isSkipping = false
  var accepted = false
  /// What the server answered instead of taking it.
  var unfit: HTTPRefusal?
  /// When, and whether anything came on it since.
  var acceptedAt: UInt64?
  var hasSpoken = false
  /// The id of the last event and the reconnection time that the server named, for taking the stream up again.
  var lastEventID: [UInt8] = []
  var retry: UInt64?
  /// Called when it goes on over another connection.
  var moved: ((ConnectionID) -> Void)?
  /// Called when the server has taken the request.
  var settled: (() -> Void)?
  /// Called once when the stream has ended or was refused, with the HTTP status if there was one.
  var ended: ((Int) -> Void)?

  init(_ cluster: Cluster, _ role: Role, binding: UpstreamSession?, open: UpstreamSession.Open?) {
    self.cluster = cluster
    self.role = role
    self.binding = binding
    self.open = open
  }

  /// Where a redirect leads it to; nil if the answer is none that is followed.
  fileprivate func redirected(_ head: ResponseHead) -> String? {
    guard var url = cluster.currentURL else { return nil }
    if let target { url.target = target }
    switch Redirect.of(
      status: head.status, location: head.header(.location)?.text ?? "", from: url, followed: redirects)
    {
    case .follow(let target):
      redirects += 1
      self.target = target
      return target
    case .refuse(let why):
      refusal = why
      return nil
    case nil:
      return nil
    }
  }

  func end(status: Int) {
    let ended = ended
    self.ended = nil
    ended?(status)
  }
}

extension Worker {
  /// Opens such a stream with a request whose head (and body) is given.
  @discardableResult
  func openUpstreamStream(_ stream: UpstreamStream, head: RawSpan, body: RawSpan = RawSpan()) -> ConnectionID? {
    guard let endpoint = stream.cluster.endpoint,
      let connection = loop.connect(endpoint, tag: tag(.upstreamStream))
    else { return nil }
    upstreamStreams[connection] = stream
    loop.send(connection, head, body)
    return connection
  }

  func upstreamStreamBegan(_ connection: ConnectionID, _ head: ResponseHead) {
    guard let stream = upstreamStreams[connection] else { return loop.abort(connection) }
    if head.status == 200, head.hasContentType("text/event-stream") {
      stream.accepted = true
      stream.settled?()
    } else if stream.redirected(head) != nil {
      follow(stream, from: connection)
    } else {
      stream.unfit = stream.cluster.refusal(head)
      endUpstreamStream(connection, status: head.status)
      loop.abort(connection)
    }
  }

  /// Asks for the stream where it is by now.
  private func follow(_ stream: UpstreamStream, from connection: ConnectionID) {
    upstreamStreams[connection] = nil
    loop.abort(connection)
    let moved: ConnectionID?
    switch stream.role {
    case .notifications:
      moved = openNotificationStream(stream)
    case .link(let link):
      moved = openUpstreamStream(stream, head: Self.linkHead(stream.cluster, target: stream.target).rawBytes)
      if let moved { link.wire = .eventStream(moved) }
    }
    guard let moved else {
      if case .link(let link) = stream.role { link.died("has moved, and there are too many connections open") }
      return stream.end(status: 0)
    }
    stream.moved?(moved)
  }

  func upstreamStreamPiece(_ connection: ConnectionID, _ piece: RawSpan, last: Bool) {
    guard let stream = upstreamStreams[connection] else { return }
    var offset = 0
    reading: while upstreamStreams[connection] === stream {
      switch stream.parser.next(piece, at: &offset) {
      case .more: break reading
      case .comment: continue
      case .data(let place, let newline):
        if stream.isSkipping { continue }
        guard stream.buffer.count + place.length < settings.resultLimit else {
          if skipEvent(stream, piece[place]) { continue }
          loop.abort(connection)
          return endUpstreamStream(connection, status: 0)
        }
        if newline { stream.buffer.append(byte: 0x0A) }
        stream.buffer.append(piece[place])
      case .end(let end):
        if end.hasID {
          let parser = stream.parser
          stream.lastEventID = parser.id.array
        }
        if let retry = end.retry { stream.retry = UInt64(clamping: retry) }
        var message = ByteBuffer()
        swap(&message, &stream.buffer)
        let wasSkipped = stream.isSkipping
        stream.isSkipping = false
        if end.hasData, !end.isEmpty, !wasSkipped {
          stream.hasSpoken = true
          received(message.bytes, stream, connection)
        }
        message.clear(keepingAtMost: 64 << 10)
        swap(&message, &stream.buffer)
      }
    }
    if last {
      loop.abort(connection)
      endUpstreamStream(connection, status: 200)
    }
  }

  /// An event is larger than a message may be. True if it is known whose it is: then the stream can go on without it.
  private func skipEvent(_ stream: UpstreamStream, _ piece: RawSpan) -> Bool {
    guard case .link(let link) = stream.role else { return false }
    if stream.buffer.isEmpty { stream.buffer.append(piece.extracting(first: min(piece.byteCount, 4096))) }
    stream.isSkipping = link.overlong(
      stream.buffer.bytes.extracting(first: min(stream.buffer.count, 4096)), ended: false)
    stream.buffer.clear(keepingAtMost: 64 << 10)
    return stream.isSkipping
  }

  func upstreamStreamClosed(_ connection: ConnectionID, _ error: ReactorError) {
    endUpstreamStream(connection, status: 0)
  }

  private func endUpstreamStream(_ connection: ConnectionID, status: Int) {
    guard let stream = upstreamStreams.removeValue(forKey: connection) else { return }
    switch stream.role {
    case .link(let link):
      link.died("closed its event stream")
    case .notifications:
      if let refusal = stream.refusal {
        let alias = stream.cluster.alias
        logger.warning("\(alias) tells nothing outside of calls: \(refusal)", metadata: ["server": "\(alias)"])
      }
    }
    stream.end(status: status)
  }

  private func received(_ message: RawSpan, _ stream: UpstreamStream, _ connection: ConnectionID) {
    if case .link(let link) = stream.role {
      let parser = stream.parser
      if parser.type.equals("endpoint") { return link.endpointKnown(message, at: stream.target) }
      return link.received(message)
    }
    let envelopes = answerScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    switch envelope.kind {
    case .notification:
      switch envelope.method {
      case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
        listChanged(stream.cluster, envelope.method, stream.binding)
      case .notifyResourcesUpdated:
        resourceUpdated(stream.cluster, envelope, stream.binding)
      case .notifyCancelled:
        break
      case .notifyElicitationComplete:
        guard let binding = stream.binding, let asked = sessionAsked(envelope, in: binding) else { break }
        elicitationCompleted(envelope, for: asked)
      default:
        if let binding = stream.binding { broadcast(envelope, binding) }
      }
    case .request:
      if let binding = stream.binding, let open = stream.open { askOutsideCalls(envelope, binding, open) }
    case .batch:
      for element in Self.elements(of: envelope.message) { received(element.rawBytes, stream, connection) }
    case .result, .error:
      answered(stream, envelope)
    case .invalid:
      break
    }
  }

  /// Some servers answer a call on this stream, not on the one of its POST.
  private func answered(_ stream: UpstreamStream, _ envelope: Envelope) {
    guard let open = stream.open, let token = envelope.id, let call = ExchangeID(token: token),
      call.worker < gateway.loopCount
    else { return }
    let message = envelope.message.array
    on(call.worker) { [cluster = stream.cluster] in $0.receive(call, message.rawBytes, beside: open, cluster) }
  }

  // MARK: HTTP+SSE upstreams

  func openEventStreamLink(_ binding: UpstreamSession, _ completion: @escaping Completion) {
    let cluster = binding.cluster
    let link = makeLink(binding) { number in
      guard let endpoint = cluster.endpoint, let connection = loop.connect(endpoint, tag: tag(.upstreamStream)) else {
        return nil
      }
      loop.send(connection, Self.linkHead(cluster).rawBytes)
      return .eventStream(connection)
    }
    guard let link, case .eventStream(let connection) = link.wire else {
      return completion(.failure(.failed("the gateway has too many connections open")))
    }
    let stream = UpstreamStream(cluster, .link(link), binding: binding, open: nil)
    stream.ended = { [unowned stream] status in
      guard link.requestHead.isEmpty else { return }
      if let refusal = stream.refusal { return completion(.failure(.failed(refusal))) }
      guard status != 0 else { return completion(.failure(.failed("the connection failed"))) }
      completion(.failure(.status(stream.unfit ?? HTTPRefusal(status: status), retryAfter: nil)))
    }
    upstreamStreams[connection] = stream
    link.whenEndpointIsKnown = { [self] in shakeHands(binding, link, completion) }
    after(milliseconds: settings.configuration.limits.probeTimeout.milliseconds) { [self] in
      guard link.requestHead.isEmpty, !link.isDead, case .eventStream(let connection) = link.wire else { return }
      loop.abort(connection)
      upstreamStreams[connection] = nil
      link.died("sent no endpoint event")
      completion(.failure(.failed("it sent no endpoint event")))
    }
  }

  /// POSTs a message to the endpoint of an HTTP+SSE server; the answer comes on its stream.
  func postToEndpoint(_ message: RawSpan, _ link: Link, _ call: ExchangeID?) {
    let made = call.map { exchanges.make(.carrying($0, link.reference)) } ?? makeAside(link.cluster)
    guard let id = made else { return }
    if call == nil { exchanges[id].origin = .carrying(.none, link.reference) }
    exchanges[id].cluster = link.cluster
    exchanges[id].startedAt = now
    exchanges[id].deadline = now + settings.callTimeout
    exchanges[id].decideAt = .max
    armSweep()
    post(exchanges[id], message, to: link)
  }

  private func post(_ exchange: Exchange, _ message: RawSpan, to link: Link) {
    let reader = takeReader()
    exchange.reader = reader
    keep(message, of: exchange, in: reader)
    headScratch.buffer.clear()
    headScratch.buffer.append(link.requestHead)
    headScratch.buffer.append(contentLength: message.byteCount)
    headScratch.buffer.appendHeadEnd()
    post(exchange, message, link.cluster)
  }

  /// What an HTTP+SSE server said to the POST of a message, which is of no interest unless it did not take it: then no
  /// answer will come on its stream.
  func messageTaken(_ id: ExchangeID, _ reader: ResponseReader) {
    let exchange = exchanges[id]
    let status = reader.status
    guard status >= 300, case .carrying(let call, let reference) = exchange.origin, let cluster = exchange.cluster,
      let link = links[reference.number]
    else { return finish(id) }
    if var url = cluster.currentURL, let target = link.endpoint {
      url.target = target
      let location = String(decoding: reader.location, as: UTF8.self)
      switch Redirect.of(status: status, location: location, from: url, followed: exchange.redirects) {
      case .follow(let target): return follow(exchange, reader, link, to: target)
      case .refuse(let why): return fail(id, .refused(cluster, why))
      case nil: break
      }
    }
    guard call != .none else { return finish(id) }
    guard status == 400 || status == 404 else {
      return fail(id, .refused(cluster, "HTTP \(status)", retryAfter: reader.retryAfter))
    }
    // Its sessions are its streams, and what it has to say of a message it says there: it does not know this one any more.
    let message = reader.kept
    finish(id)
    link.leave()
    on(call.worker) { $0.linkForgotten(call, reference, status: status, message) }
  }

  private func follow(_ exchange: Exchange, _ reader: ResponseReader, _ link: Link, to target: String) {
    exchange.redirects += 1
    link.move(to: target)
    let message = reader.kept
    giveBack(reader)
    exchange.reader = nil
    guard let message else {
      return fail(exchange.id, .refused(link.cluster, "it has moved; the next call goes there", retryAfter: 0))
    }
    post(exchange, message.rawBytes, to: link)
  }

  private static func linkHead(_ cluster: Cluster, target: String? = nil) -> [UInt8] {
    cluster.head("GET", target: target, accept: "text/event-stream") + Array("\r\n".utf8)
  }
}
