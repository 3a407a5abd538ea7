import Clusters
import MCP
import Reactor
import Upstream
import UpstreamRequests
import Wire
import Workers

/// What an upstream answers to a POST, as it arrives: one JSON message, a stream of events, or a refusal.
public final class HTTPExchange {
  private let context: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let body: Scratch
  private let scanner: EnvelopeScanner
  private let requests: Requests
  private let memory: RequestMemory
  private let connections: Connections
  private let streams: EventStreams
  private let conversations: Conversations
  private let messages: UpstreamMessages
  private let posts: LinkPosts

  init(_ requests: Requests, _ conversations: Conversations, _ messages: UpstreamMessages, _ posts: LinkPosts) {
    context = requests.context
    loop = requests.loop
    head = context.head
    body = context.body
    scanner = context.answerScanner
    self.requests = requests
    memory = requests.memory
    connections = requests.connections
    streams = conversations.streams
    self.conversations = conversations
    self.messages = messages
    self.posts = posts
  }

  private var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }
  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  public func began(_ id: RequestID, _ connection: ConnectionID, _ head: ResponseHead) {
    guard let request = requests.lend(id) else { return loop.abort(connection) }
    request.with { request in
      guard let reader = request.reader else { return loop.abort(connection) }
      reader.begin(head)
      request.state.began(asEvents: reader.mode == .events)
    }
  }

  public func piece(_ id: RequestID, _ connection: ConnectionID, _ piece: RawSpan, last: Bool, reusable: Bool) {
    guard let request = requests.lend(id) else { return loop.abort(connection) }
    request.with { request in
      guard let reader = request.reader, let hold = request.hold else { return loop.abort(connection) }
      hold.with { hold in
        self.piece(piece, of: request, id, reader, hold, connection, last: last, reusable: reusable)
      }
    }
  }

  private func piece(
    _ piece: RawSpan, of request: UpstreamRequest, _ id: RequestID, _ reader: ResponseReader, _ hold: ClusterHold,
    _ connection: ConnectionID, last: Bool, reusable: Bool
  ) {
    if last { request.carrier = .none }
    if case .message = request.owner {
      if last { posts.taken(request, reader, hold.cluster) }
    } else if reader.status < 300, reader.mode == .json {
      jsonPiece(request, reader, connection, piece, last: last)
    } else if reader.status < 300, reader.mode == .events {
      eventsPiece(request, reader, connection, piece)
    } else {
      refusalPiece(request, reader, connection, piece, last: last)
    }
    guard last else {
      if isDone(id, reader) { connections.linger(connection, hold) }
      return
    }
    if reader.mode == .events, reader.status < 300, !isDone(id, reader) { eventsEnded(request, reader, hold.cluster) }
    connections.release(connection, hold, reusable: reusable)
  }

  /// True once the answer has been delivered and the request is over, or waits to be sent again.
  private func isDone(_ id: RequestID, _ reader: ResponseReader) -> Bool {
    requests.lend(id).map { $0.with { $0.reader !== reader } } ?? true
  }

  /// The response to a request that came on the GET stream of its session: its own POST has nothing left to say.
  func receive(_ message: RawSpan, _ id: RequestID, beside open: UpstreamSession.Open, _ cluster: Cluster) {
    guard let request = requests.find(id), request.cluster === cluster, request.opened?.isSame(as: open) == true,
      let reader = request.reader, reader.rewriter == nil, let hold = request.hold?.kept
    else { return }
    let carrier = request.carrier
    messages.receive(request, message)
    if case .connection(let connection) = carrier, isDone(id, reader) { connections.linger(connection, hold) }
  }

  // MARK: JSON

  private func jsonPiece(
    _ request: UpstreamRequest, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan, last: Bool
  ) {
    if reader.rewriter != nil { return passPiece(request, reader, connection, piece, last: last) }
    if last, reader.collected.buffer.isEmpty {
      guard reader.announced <= resultLimit else { return tooLarge(request, connection) }
      guard piece.byteCount > 0 else { return refused(request, reader) }
      return receiveLast(request, reader, piece)
    }
    let limit = resultLimit
    guard reader.announced <= limit, reader.collected.buffer.count + piece.byteCount <= limit else {
      return tooLarge(request, connection)
    }
    guard collect(piece, of: request, in: reader, connection) else { return }
    if last { return withBuffer(of: reader) { receiveLast(request, reader, $0) } }
    if reader.collected.buffer.count > reader.nextLook { tryPassing(request, reader, connection) }
  }

  private var resultLimit: Int { context.limits.result }

  /// The whole body of an answer: when it does not hold the response, none will come.
  private func receiveLast(_ request: UpstreamRequest, _ reader: ResponseReader, _ body: RawSpan) {
    let id = request.id
    messages.receive(request, body)
    guard !isDone(id, reader), let cluster = request.cluster else { return }
    requests.fail(request, .malformed(cluster, "its answer is not the response to this request"))
  }

  private func withBuffer(of reader: ResponseReader, _ body: (RawSpan) -> Void) {
    var taken = ByteBuffer()
    swap(&taken, &reader.collected.buffer)
    body(taken.bytes)
    // The request may be gone and the reader back in stock: its memory returns all the same.
    taken.clear(keepingAtMost: 64 << 10)
    swap(&taken, &reader.collected.buffer)
    memory.uncover(reader)
  }

  /// Keeps a piece of an answer. False, and the request has failed, where it can't be had.
  private func collect(
    _ piece: RawSpan, of request: UpstreamRequest, in reader: ResponseReader, _ connection: ConnectionID
  ) -> Bool {
    guard let error = memory.collect(piece, of: request, in: reader) else { return true }
    loop.abort(connection)
    requests.fail(request, error)
    return false
  }

  private func tooLarge(_ request: UpstreamRequest, _ connection: ConnectionID) {
    guard let cluster = request.cluster else { return }
    loop.abort(connection)
    requests.fail(request, .tooLarge(cluster, limit: resultLimit))
  }

  // MARK: Events

  private func eventsPiece(
    _ request: UpstreamRequest, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan
  ) {
    let id = request.id
    var offset = 0
    while !isDone(id, reader) {
      switch reader.parser.next(piece, at: &offset) {
      case .more:
        return
      case .comment:
        continue
      case .data(let place, let newline):
        if reader.rewriter != nil {
          passPiece(request, reader, connection, piece[place], last: false)
          continue
        }
        guard reader.collected.buffer.count + place.length < resultLimit else { return tooLarge(request, connection) }
        if newline { reader.collected.buffer.append(byte: 0x0A) }
        guard collect(piece[place], of: request, in: reader, connection) else { return }
        if reader.collected.buffer.count > reader.nextLook { tryPassing(request, reader, connection) }
      case .end(let end):
        if end.hasID { reader.noteEventID() }
        if let retry = end.retry { reader.retry = UInt64(clamping: retry) }
        if reader.rewriter != nil {
          passPiece(request, reader, connection, RawSpan(), last: true)
          continue
        }
        guard end.hasData, !end.isEmpty else { continue }
        withBuffer(of: reader) { messages.receive(request, $0) }
      }
    }
  }

  /// The stream ended without the response: taken up again if the upstream allows that, else lost.
  private func eventsEnded(_ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) {
    lose(request, reader, cluster, "its stream ended without a response", sent: true)
  }

  // MARK: Large results

  /// Once it is known that the message is the response, and the client waits for it, its bytes go through as they come.
  private func tryPassing(_ request: UpstreamRequest, _ reader: ResponseReader, _ connection: ConnectionID) {
    reader.nextLook = 2 * reader.collected.buffer.count
    guard request.isClients, reader.kindSoFar(scanner) == .result else { return }
    switch requests.delegate.passage(of: request, collected: reader.collected.buffer.count) {
    case .collect(let size):
      reader.nextLook = min(reader.nextLook, size)
    case .pass(let rewriter):
      body.clear()
      let progress = rewriter.feed(reader.collected.bytes(of: reader).withoutByteOrderMark, into: &body.buffer)
      if case .refused = progress {
        // Its end is waited for, and the client hears what is wrong with it.
        reader.nextLook = .max
        return
      }
      guard requests.delegate.beginPassing(request) else { return }
      reader.rewriter = rewriter
      reader.passed = reader.collected.buffer.count
      reader.collected.buffer.clear(keepingAtMost: 64 << 10)
      reader.forgetRequest()
      memory.uncover(reader)
      requests.delegate.passed(request, bodyBytes, last: false)
    }
  }

  private func passPiece(
    _ request: UpstreamRequest, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan, last: Bool
  ) {
    guard let rewriter = reader.rewriter, let cluster = request.cluster else { return }
    body.clear()
    let progress = rewriter.feed(piece, into: &body.buffer)
    reader.passed += piece.byteCount
    // What turns out to be broken after its first bytes had gone out stays visibly unfinished.
    var isWhole = false
    switch progress {
    case .refused: return breakPassing(request, connection, .malformed(cluster, "it could not be rewritten"))
    case .complete: isWhole = true
    case .more: break
    }
    guard reader.passed <= resultLimit else { return tooLarge(request, connection) }
    guard isWhole || !last else {
      return breakPassing(request, connection, .malformed(cluster, "its answer has no end"))
    }
    requests.delegate.passed(request, bodyBytes, last: last)
  }

  private func breakPassing(_ request: UpstreamRequest, _ connection: ConnectionID, _ error: GatewayError) {
    loop.abort(connection)
    requests.fail(request, error)
  }

  // MARK: Refusals

  /// Bytes of an answer with an error status that are looked at.
  private static var refusalLimit: Int { 1 << 20 }

  private func refusalPiece(
    _ request: UpstreamRequest, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan, last: Bool
  ) {
    let isKept =
      reader.collected.count + piece.byteCount > Self.refusalLimit
      || collect(piece, of: request, in: reader, connection)
    if isKept, last { refused(request, reader) }
  }

  /// An HTTP answer that is not 2xx with a message.
  private func refused(_ request: UpstreamRequest, _ reader: ResponseReader) {
    guard let cluster = request.cluster else { return requests.end(request) }
    if (300..<400).contains(reader.status), redirected(request, reader, cluster) { return }
    var isLost = false
    if let session = request.session, let open = request.opened, open.http != nil, hasLostSession(reader) {
      _ = session.lost(open)
      streams.close(streamOf: open)
      if repeatInNewSession(request, reader, cluster) { return }
      isLost = true
    }
    switch request.owner {
    case .nobody: return requests.end(request)
    case .gateway(let call): return refuse(call, request, reader, cluster)
    case .client, .message: break
    }
    if isLost { return requests.fail(request, .sessionEnded(cluster)) }
    if isOfAnotherEra(request, reader) {
      if request.revision.era == .modern {
        return requests.delegate.outdated(request, .refused(cluster, "HTTP \(reader.status)"))
      }
      requests.doubt(cluster, .misunderstood)
    }
    requests.outcomes.note(CallOutcome(status: reader.status), of: request)
    if reader.status >= 500, requests.recovers(request, refusal(reader, cluster)) { return }
    if reader.mode == .json, reader.collected.buffer.count > 0 {
      // The error object of a 4xx body belongs to this request, whatever id it carries.
      var isError = false
      withBuffer(of: reader) { bytes in
        let envelopes = scanner
        let envelope = envelopes.scan(bytes)
        guard envelope.kind == .error else { return }
        isError = true
        requests.delegate.answered(request, envelope)
      }
      if isError { return }
    }
    requests.fail(request, refusal(reader, cluster))
  }

  private func refusal(_ reader: ResponseReader, _ cluster: Cluster) -> GatewayError {
    switch reader.status {
    case 200, 202:
      let kind = reader.refusal.mediaType.map { " (\($0))" } ?? ""
      return .malformed(cluster, "HTTP \(reader.status) without a message\(kind)")
    case 401, 403: return .credentials(cluster, status: reader.status)
    default: return .refused(cluster, "HTTP \(reader.status)", retryAfter: reader.retryAfter)
    }
  }

  /// The gateway's own request was refused.
  private func refuse(_ call: LocalCall, _ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) {
    // What is wrong with credentials is in the head.
    if reader.status != 401, reader.status != 403, reader.mode == .json, reader.collected.buffer.count > 0,
      reader.kind(scanner) == .error
    {
      let bytes = reader.bytes
      let status = reader.status
      requests.end(request)
      return call.complete(.message(bytes, status: status, httpSession: []))
    }
    var refusal = reader.refusal
    refusal.hasCredentials = cluster.hasHeaders
    let retryAfter = reader.retryAfter
    requests.end(request)
    call.complete(.status(refusal, retryAfter: retryAfter))
  }

  /// Follows a redirect, or says why not. False if the answer is none.
  private func redirected(_ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) -> Bool {
    guard let endpoint = request.endpoint, let url = endpoint.currentURL,
      let redirect = Redirect.of(
        status: reader.status, location: String(decoding: reader.location, as: UTF8.self), from: url,
        followed: request.redirects)
    else { return false }
    switch redirect {
    case .refuse(let why):
      requests.fail(request, .refused(cluster, why))
    case .follow(let target):
      endpoint.move(to: target, isPermanent: reader.status == 308)
      request.redirects += 1
      follow(request, reader, cluster)
    }
    return true
  }

  /// Sends once more what a redirect answered: it was not carried out.
  private func follow(_ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) {
    // The answer that has come is read to its end without this request.
    memory.uncover(reader)
    request.reader = nil
    request.state.waits()
    if case .gateway(let call) = request.owner, let sent = call.request {
      let fresh = requests.takeReader()
      fresh.keepsHTTPSession = reader.keepsHTTPSession
      request.reader = fresh
      requests.writeHead(of: request, lines: sent.lines.rawBytes, length: sent.body.count)
      return requests.post(request, sent.body.rawBytes)
    }
    guard let kept = reader.kept else { return requests.fail(request, .moved(cluster)) }
    if request.revision.era == .legacy, let open = request.opened {
      return requests.carry(request, kept.rawBytes, open, cluster)
    }
    requests.delegate.redirected(request, kept)
  }

  /// The upstream has ended the session before it took the request: once, it goes out again in a new one. False if it can't.
  private func repeatInNewSession(_ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster) -> Bool {
    guard let message = reader.kept, let speech = cluster.profile?.speech,
      request.state.again(after: GatewayError.sessionEnded(cluster).retry)
    else { return false }
    memory.uncover(reader)
    reader.reset()
    conversations.send(request, message.rawBytes, cluster, speech)
    return true
  }

  /// Whether a refusal says that the upstream does not know the session that it was asked in.
  private func hasLostSession(_ reader: ResponseReader) -> Bool {
    guard reader.status != 404 else { return true }
    guard (400..<500).contains(reader.status) else { return false }
    let body = reader.bytes
    let envelopes = scanner
    let envelope = envelopes.scan(body.rawBytes)
    guard reader.mode == .json, envelope.kind == .error else {
      return LostSession.isTold(status: reader.status, code: nil, text: body.rawBytes.text)
    }
    return LostSession.isTold(status: reader.status, code: envelope.errorCode, text: envelope.errorMessage ?? "")
  }

  /// Whether a refusal is one that a server of the upstream's era has no reason for: it may speak the other by now.
  private func isOfAnotherEra(_ request: UpstreamRequest, _ reader: ResponseReader) -> Bool {
    guard [400, 404, 405, 406, 415].contains(reader.status) else { return false }
    // In the legacy era what is wrong with a call itself comes with 200.
    guard request.revision.era == .modern else { return true }
    guard reader.mode == .json, reader.collected.buffer.count > 0 else { return true }
    let body = reader.bytes
    let envelopes = scanner
    let envelope = envelopes.scan(body.rawBytes)
    guard envelope.kind == .error, let code = envelope.errorCode else { return true }
    return code == -32600 || (-32019 ... -32000).contains(code)
  }

  // MARK: Losses

  /// The connection broke.
  func broke(_ id: RequestID, _ connection: ConnectionID, _ error: ReactorError, sent: Bool) {
    guard let request = requests.find(id), request.carrier == .connection(connection) else { return }
    request.carrier = .none
    guard let cluster = request.cluster, let reader = request.reader else { return requests.end(request) }
    if reader.rewriter != nil { return requests.fail(request, .lost(cluster, "\(error)")) }
    if case .gateway = request.owner { return requests.fail(request, .lost(cluster, "\(error)")) }
    if !sent, let endpoint = request.endpoint {
      // What stands before a server that is gone takes a connection, and ends it at once.
      if error.isRefused || error.isPeerClosed || error.isDisconnected { requests.outcomes.noteRefused(request) }
      requests.doubt(cluster, .unreachable("\(error)", endpoint: endpoint.index))
    }
    // It has begun to answer: whatever that was to be, it has read the request.
    if case .http = error.speaker { request.reusedAt = nil }
    lose(request, reader, cluster, "\(error)", sent: sent)
  }

  private func lose(
    _ request: UpstreamRequest, _ reader: ResponseReader, _ cluster: Cluster, _ why: String, sent: Bool
  ) {
    let delay = UpstreamRetry.delay(asked: reader.retry, otherwise: 1000)
    let canResume =
      !reader.lastEventID.isEmpty && request.revision.era == .legacy && request.opened != nil
      && request.deadline > loop.now + delay
    switch request.state.broke(sent: sent, canResume: canResume) {
    case .resume: resume(request.id, reader, cluster, after: delay)
    case .lost: requests.fail(request, .lost(cluster, why))
    case .unreached: requests.fail(request, .unavailable(cluster, why, retryAfter: 1000))
    }
  }

  /// Takes up a broken event stream of a legacy upstream by GET with `Last-Event-ID` (MCP 2025-11-25,
  /// Basic/Transports, Resumability and Redelivery).
  private func resume(_ id: RequestID, _ reader: ResponseReader, _ cluster: Cluster, after delay: UInt64) {
    let lastEventID = reader.lastEventID
    context.timers.after(milliseconds: delay) { [unowned self] in
      guard let request = requests.find(id), let open = request.opened, let endpoint = request.endpoint,
        let address = endpoint.address
      else { return }
      let fresh = requests.takeReader()
      fresh.lastEventID = lastEventID
      // It holds until the server names another.
      fresh.retry = reader.retry
      memory.uncover(reader)
      request.reader = fresh
      head.buffer.clear()
      head.buffer.append(endpoint.head("GET", accept: "text/event-stream"))
      requests.appendSession(open)
      head.buffer.append(header: .lastEventID, lastEventID.rawBytes)
      head.buffer.appendHeadEnd()
      guard let connection = loop.connect(address, tag: TagKind.request.tag(id.rawValue)) else {
        return requests.fail(request, .overloaded)
      }
      request.carrier = .connection(connection)
      loop.send(connection, headBytes)
    }
  }
}
