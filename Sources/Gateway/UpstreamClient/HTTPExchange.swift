import MCP
import Reactor
import Wire

/// What an upstream answers to a POST, as it arrives.
extension Worker {
  func responseBegan(_ id: ExchangeID, _ connection: ConnectionID, _ head: ResponseHead) {
    guard let reader = exchanges.find(id)?.reader else { return loop.abort(connection) }
    reader.begin(head)
  }

  func responsePiece(
    _ id: ExchangeID, _ connection: ConnectionID, _ piece: RawSpan, last: Bool, _ reusable: Bool
  ) {
    guard let exchange = exchanges.find(id), let reader = exchange.reader else { return loop.abort(connection) }
    if last { exchange.carrier = .none }
    let cluster = exchange.cluster
    let stake = exchange.stake
    switch reader.mode {
    case _ where exchange.isCarrying:
      if last { messageTaken(id, reader) }
    case .json where reader.status < 300:
      jsonPiece(id, reader, connection, piece, last: last)
    case .events where reader.status < 300:
      eventsPiece(id, reader, connection, piece)
    case .json, .events, .other:
      let isKept =
        reader.collected.count + piece.byteCount > Self.refusalLimit || collect(piece, of: id, in: reader, connection)
      if isKept, last { refused(id, reader) }
    }
    if last {
      if reader.mode == .events, reader.status < 300, !isDone(id, reader) {
        eventsEnded(id)
      }
      release(connection, cluster, stake, reusable: reusable)
    } else if isDone(id, reader) {
      linger(connection, cluster)
    }
  }

  /// True once the answer has been delivered and the exchange is free, or waits to be sent again.
  private func isDone(_ id: ExchangeID, _ reader: ResponseReader) -> Bool {
    exchanges.find(id)?.reader !== reader
  }

  /// The response to a call that came on the GET stream of its session: its own POST has nothing left to say.
  func receive(_ id: ExchangeID, _ message: RawSpan, beside open: UpstreamSession.Open, _ cluster: Cluster) {
    guard let exchange = exchanges.find(id), exchange.cluster === cluster, exchange.opened?.isSame(as: open) == true,
      let reader = exchange.reader, reader.rewriter == nil
    else { return }
    let carrier = exchange.carrier
    receive(id, message)
    if case .connection(let connection) = carrier, isDone(id, reader) { linger(connection, cluster) }
  }

  /// An upstream connection whose exchange is over: back to the pool, or closed.
  private func release(
    _ connection: ConnectionID, _ cluster: Cluster?, _ stake: UpstreamStake? = nil, reusable: Bool
  ) {
    // It may have been paused for a slow reader with its last bytes.
    loop.resumeReading(connection)
    guard reusable, let cluster, !cluster.isRetired,
      (stake ?? self.stake(in: cluster)).pool.give(connection, now: now)
    else { return loop.close(connection) }
    loop.setTag(connection, tag(.idle, UInt64(cluster.stakeID)))
  }

  /// The answer came, the body has not ended: it should at once.
  private func linger(_ connection: ConnectionID, _ cluster: Cluster?) {
    guard let cluster else { return loop.abort(connection) }
    lingering[connection] = (cluster, now + 1000)
    loop.resumeReading(connection)
    loop.setTag(connection, tag(.lingering))
    armSweep()
  }

  func lingeringEnded(_ connection: ConnectionID, reusable: Bool) {
    guard let entry = lingering.removeValue(forKey: connection) else { return loop.abort(connection) }
    release(connection, entry.cluster, reusable: reusable)
  }

  /// Bytes of an answer with an error status that are looked at.
  private static var refusalLimit: Int { 1 << 20 }

  // MARK: JSON

  private func jsonPiece(
    _ id: ExchangeID, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan, last: Bool
  ) {
    if reader.rewriter != nil { return passPiece(id, reader, connection, piece, last: last) }
    guard reader.announced <= settings.resultLimit else { return tooLarge(id, connection) }
    if last, reader.collected.buffer.isEmpty {
      guard piece.byteCount > 0 else { return refused(id, reader) }
      return receiveLast(id, reader, piece)
    }
    guard reader.collected.buffer.count + piece.byteCount <= settings.resultLimit else {
      return tooLarge(id, connection)
    }
    guard collect(piece, of: id, in: reader, connection) else { return }
    if last { return withBuffer(of: reader) { receiveLast(id, reader, $0) } }
    if reader.collected.buffer.count > reader.nextLook { tryPassing(id, reader, connection) }
  }

  /// The whole body of an answer: when it does not hold the response, none will come.
  private func receiveLast(_ id: ExchangeID, _ reader: ResponseReader, _ body: RawSpan) {
    receive(id, body)
    guard !isDone(id, reader), let cluster = exchanges[id].cluster else { return }
    fail(id, .malformed(cluster, "its answer is not the response to this request"))
  }

  private func withBuffer(of reader: ResponseReader, _ body: (RawSpan) -> Void) {
    var taken = ByteBuffer()
    swap(&taken, &reader.collected.buffer)
    body(taken.bytes)
    // The exchange may be gone and the reader back in stock: its memory returns all the same.
    taken.clear(keepingAtMost: 64 << 10)
    swap(&taken, &reader.collected.buffer)
    uncover(reader)
  }

  private func tooLarge(_ id: ExchangeID, _ connection: ConnectionID) {
    guard let cluster = exchanges[id].cluster else { return }
    loop.abort(connection)
    fail(id, .tooLarge(cluster, limit: settings.resultLimit))
  }

  // MARK: Events

  private func eventsPiece(_ id: ExchangeID, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan) {
    var offset = 0
    while !isDone(id, reader) {
      switch reader.parser.next(piece, at: &offset) {
      case .more:
        return
      case .comment:
        continue
      case .data(let place, let newline):
        if reader.rewriter != nil {
          passPiece(id, reader, connection, piece[place], last: false)
          continue
        }
        guard reader.collected.buffer.count + place.length < settings.resultLimit else {
          return tooLarge(id, connection)
        }
        if newline { reader.collected.buffer.append(byte: 0x0A) }
        guard collect(piece[place], of: id, in: reader, connection) else { return }
        if reader.collected.buffer.count > reader.nextLook { tryPassing(id, reader, connection) }
      case .end(let end):
        if end.hasID { reader.noteEventID() }
        if let retry = end.retry { reader.retry = UInt64(clamping: retry) }
        if reader.rewriter != nil {
          passPiece(id, reader, connection, RawSpan(), last: true)
          continue
        }
        guard end.hasData, !end.isEmpty else { continue }
        withBuffer(of: reader) { receive(id, $0) }
      }
    }
  }

  /// The stream ended without the response: resumed if the upstream allows that, else lost.
  private func eventsEnded(_ id: ExchangeID) {
    guard let cluster = exchanges[id].cluster else { return }
    if resumeUpstream(id) { return }
    fail(id, .lost(cluster, "its stream ended without a response"))
  }

  // MARK: Large results

  /// Once it is known that the message is the response, and the client waits for it, its bytes go through as they come.
  private func tryPassing(_ id: ExchangeID, _ reader: ResponseReader, _ connection: ConnectionID) {
    let exchange = exchanges[id]
    guard case .post(let downstream) = exchange.origin, exchange.lacking.isEmpty,
      !ResponseTranslation.needsWhole(hop(exchange))
    else { return }
    reader.nextLook = 2 * reader.collected.buffer.count
    var stream: EventLog.StreamNumber?
    switch exchange.answer {
    case .passing:
      return
    case .undecided:
      break
    case .stream(let number):
      // What can still be replayed is kept whole.
      let replay = settings.configuration.sessions.replay
      guard number == 0 || reader.collected.buffer.count > replay else {
        reader.nextLook = min(reader.nextLook, replay)
        return
      }
      stream = number
    }
    guard reader.kindSoFar(answerScanner) == .result else { return }
    var edits = streamedEdits(id)
    edits.flatten = stream != nil
    let rewriter = ResponseRewriter(edits, depth: settings.depth)
    bodyScratch.clear()
    let progress = rewriter.feed(reader.collected.bytes(of: reader).withoutByteOrderMark, into: &bodyScratch.buffer)
    if case .refused = progress {
      // Its end is waited for, and the client hears what is wrong with it.
      reader.nextLook = .max
      return
    }
    if let stream {
      guard beginPassedEvent(id, stream, downstream) else { return }
      reader.passedEvent = stream
    } else {
      beginAnswer(downstream, EventLoop.ReplyHead(200, "application/json", headers: RawSpan()))
    }
    exchange.answer = .passing
    reader.rewriter = rewriter
    reader.passed = reader.collected.buffer.count
    reader.collected.buffer.clear(keepingAtMost: 64 << 10)
    reader.forgetRequest()
    uncover(reader)
    if loop.writeStream(downstream, bodyBytes) == .full { pause(id, connection) }
    exchange.deadline = now + settings.callTimeout
  }

  /// Writes the start of an event that is too large to be kept. False if its stream is read elsewhere by now.
  private func beginPassedEvent(
    _ id: ExchangeID, _ number: EventLog.StreamNumber, _ downstream: ConnectionID
  ) -> Bool {
    var start = ByteBuffer(capacity: 64)
    if number != 0 {
      guard let session = exchanges[id].session,
        let name = pass(number, of: session, to: downstream)
      else { return false }
      start.append(name)
    }
    start.append("event: message\ndata: ")
    // A heartbeat must not get between its pieces.
    loop.heartbeat(downstream, milliseconds: 0, gateway.heartbeatFrame)
    loop.writeStream(downstream, start.bytes)
    return true
  }

  private func pass(
    _ number: EventLog.StreamNumber, of session: Session, to downstream: ConnectionID
  ) -> [UInt8]? {
    let gateway = gateway
    return session.withState { state in
      guard let name = state.log.passLast(of: number, to: downstream) else { return nil }
      gateway.tell(of: number, in: state, session)
      return name
    }
  }

  private func passPiece(
    _ id: ExchangeID, _ reader: ResponseReader, _ connection: ConnectionID, _ piece: RawSpan, last: Bool
  ) {
    let exchange = exchanges[id]
    guard let rewriter = reader.rewriter else { return }
    guard case .post(let downstream) = exchange.origin else {
      loop.abort(connection)
      return finish(id)
    }
    bodyScratch.clear()
    let progress = rewriter.feed(piece, into: &bodyScratch.buffer)
    if case .refused = progress { return breakPassing(id, downstream, connection) }
    reader.passed += piece.byteCount
    guard reader.passed <= settings.resultLimit else { return breakPassing(id, downstream, connection) }
    if bodyScratch.count > 0, loop.writeStream(downstream, bodyBytes) == .full, !last {
      pause(id, connection)
    }
    exchange.deadline = now + settings.callTimeout
    guard last else { return }
    guard case .complete = progress else { return breakPassing(id, downstream, connection) }
    if let number = reader.passedEvent {
      loop.writeStream(downstream, ("\n\n" as StaticString).bytes)
      endPassedEvent(id, number)
    }
    loop.endStream(downstream)
    finish(id)
  }

  /// The stream of a passed event has no reader any more.
  func endPassedEvent(_ id: ExchangeID, _ number: EventLog.StreamNumber) {
    let now = now
    exchanges[id].session?.withState { $0.log.finish(number, now: now) }
  }

  /// The result turned out to be broken after its first bytes had gone out: the answer stays visibly unfinished.
  private func breakPassing(_ id: ExchangeID, _ downstream: ConnectionID, _ connection: ConnectionID) {
    loop.abort(downstream)
    loop.abort(connection)
    if let number = exchanges[id].reader?.passedEvent { endPassedEvent(id, number) }
    finish(id)
  }

  // MARK: Refusals

  /// An HTTP answer that is not 2xx with a message.
  private func refused(_ id: ExchangeID, _ reader: ResponseReader) {
    let exchange = exchanges[id]
    if (300..<400).contains(reader.status), redirected(id, reader) { return }
    var isLost = false
    if let binding = exchange.binding, let open = exchange.opened, open.http != nil, hasLostSession(reader) {
      _ = binding.lost(open)
      closeStream(of: open)
      if repeatInNewSession(id, reader) { return }
      isLost = true
    }
    if case .local(let call) = exchange.origin {
      // What is wrong with credentials is in the head.
      if reader.status != 401, reader.status != 403, reader.mode == .json, reader.collected.buffer.count > 0,
        reader.kind(answerScanner) == .error
      {
        let bytes = reader.bytes
        let status = reader.status
        finish(id)
        return call.complete(.message(bytes, status: status, httpSession: []))
      }
      var refusal = reader.refusal
      refusal.hasCredentials = exchange.cluster?.hasHeaders ?? false
      let retryAfter = reader.retryAfter
      finish(id)
      return call.complete(.status(refusal, retryAfter: retryAfter))
    }
    if case .nobody = exchange.origin, case .undecided = exchange.answer { return finish(id) }
    if exchange.isNotice { return finish(id) }
    guard let cluster = exchange.cluster else { return finish(id) }
    if isLost {
      return fail(id, .refused(cluster, "its session had ended; the next call opens a new one", retryAfter: 0))
    }
    if isOfAnotherEra(id, reader) {
      if exchange.serverRevision.era == .modern {
        return recover(id, cluster, .rediscover, otherwise: .refused(cluster, "HTTP \(reader.status)"))
      }
      control?.misunderstood(cluster)
    }
    if reader.mode == .json, reader.collected.buffer.count > 0 {
      // The error object of a 4xx body belongs to this request, whatever id it carries.
      var isError = false
      withBuffer(of: reader) { bytes in
        let envelopes = answerScanner
        let envelope = envelopes.scan(bytes)
        guard envelope.kind == .error else { return }
        isError = true
        deliver(id, envelope)
      }
      if isError { return }
    }
    if reader.status == 202 || reader.status == 200 {
      let kind = reader.refusal.mediaType.map { " (\($0))" } ?? ""
      return fail(id, .malformed(cluster, "HTTP \(reader.status) without a message\(kind)"))
    }
    if reader.status == 401 || reader.status == 403 {
      return fail(id, .credentials(cluster, status: reader.status))
    }
    fail(id, .refused(cluster, "HTTP \(reader.status)", retryAfter: reader.retryAfter))
  }

  /// Follows a redirect, or says why not. False if the answer is none.
  private func redirected(_ id: ExchangeID, _ reader: ResponseReader) -> Bool {
    let exchange = exchanges[id]
    guard let cluster = exchange.cluster, let url = cluster.currentURL,
      let redirect = Redirect.of(
        status: reader.status, location: String(decoding: reader.location, as: UTF8.self), from: url,
        followed: exchange.redirects)
    else { return false }
    switch redirect {
    case .refuse(let why):
      if case .local(let call) = exchange.origin {
        finish(id)
        call.complete(.failed(why))
      } else {
        fail(id, .refused(cluster, why))
      }
    case .follow(let target):
      cluster.move(to: target, isPermanent: reader.status == 308)
      exchange.redirects += 1
      follow(id, reader, cluster)
    }
    return true
  }

  /// Sends once more what a redirect answered: it was not carried out.
  private func follow(_ id: ExchangeID, _ reader: ResponseReader, _ cluster: Cluster) {
    let exchange = exchanges[id]
    // The answer that has come is read to its end without this call.
    uncover(reader)
    exchange.reader = nil
    if case .local(let call) = exchange.origin, let request = call.request {
      exchange.reader = takeReader()
      exchange.reader?.keepsHTTPSession = reader.keepsHTTPSession
      headScratch.buffer.clear()
      headScratch.buffer.append(cluster.requestHead)
      headScratch.buffer.append(request.lines)
      headScratch.buffer.append(contentLength: request.body.count)
      headScratch.buffer.appendHeadEnd()
      return post(exchange, request.body.rawBytes, cluster)
    }
    guard let kept = reader.kept else {
      return fail(id, .refused(cluster, "it has moved; the next call goes there", retryAfter: 0))
    }
    guard exchange.serverRevision.era == .legacy, let open = exchange.opened else { return again(id, kept) }
    carry(exchange, kept.rawBytes, open)
  }

  /// Whether a refusal says that the upstream does not know the session that it was asked in.
  private func hasLostSession(_ reader: ResponseReader) -> Bool {
    guard reader.status != 404 else { return true }
    guard (400..<500).contains(reader.status) else { return false }
    let body = reader.bytes
    let envelopes = answerScanner
    let envelope = envelopes.scan(body.rawBytes)
    guard reader.mode == .json, envelope.kind == .error else {
      return LostSession.isTold(status: reader.status, code: nil, text: body.rawBytes.text)
    }
    return LostSession.isTold(status: reader.status, code: envelope.errorCode, text: envelope.errorMessage ?? "")
  }

  /// Some servers say with 200 that they do not know the session. True if the call goes out again in a new one.
  func repeatsInNewSession(_ id: ExchangeID, _ error: Envelope) -> Bool {
    let exchange = exchanges[id]
    guard !exchange.retried, let reader = exchange.reader, reader.status == 200, reader.mode == .json,
      let binding = exchange.binding, let open = exchange.opened, open.http != nil, let message = reader.kept,
      let cluster = exchange.cluster, let profile = cluster.profile,
      LostSession.isTold(status: 200, code: error.errorCode, text: error.errorMessage ?? "")
    else { return false }
    _ = binding.lost(open)
    closeStream(of: open)
    exchange.retried = true
    // The answer that has come is read to its end without this call.
    uncover(reader)
    exchange.reader = nil
    send(exchange, message.rawBytes, cluster, profile)
    return true
  }

  /// Whether a refusal is one that a server of the upstream's era has no reason for: it may speak the other by now.
  private func isOfAnotherEra(_ id: ExchangeID, _ reader: ResponseReader) -> Bool {
    guard [400, 404, 405, 406, 415].contains(reader.status) else { return false }
    // In the legacy era what is wrong with a call itself comes with 200.
    guard exchanges[id].serverRevision.era == .modern else { return true }
    guard reader.mode == .json, reader.collected.buffer.count > 0 else { return true }
    let body = reader.bytes
    let envelopes = answerScanner
    let envelope = envelopes.scan(body.rawBytes)
    guard envelope.kind == .error, let code = envelope.errorCode else { return true }
    return code == -32600 || (-32019 ... -32000).contains(code)
  }

  /// The upstream connection broke.
  func carrierLost(_ id: ExchangeID, _ connection: ConnectionID, _ error: ReactorError, sent: Bool) {
    guard let exchange = exchanges.find(id), exchange.carrier == .connection(connection) else { return }
    exchange.carrier = .none
    guard let cluster = exchange.cluster else { return finish(id) }
    if case .passing = exchange.answer {
      if case .post(let downstream) = exchange.origin { loop.abort(downstream) }
      if let number = exchange.reader?.passedEvent { endPassedEvent(id, number) }
      return finish(id)
    }
    if case .local(let call) = exchange.origin {
      finish(id)
      return call.complete(.failed("\(error)"))
    }
    if exchange.reader?.mode == .events, resumeUpstream(id) { return }
    if !sent { gateway.control?.suspect(cluster, "\(error)") }
    fail(id, sent ? .lost(cluster, "\(error)") : .unavailable(cluster, "\(error)", retryAfter: 1000))
  }

  /// Takes up a broken event stream of a legacy upstream by GET with `Last-Event-ID` [6.4].
  private func resumeUpstream(_ id: ExchangeID) -> Bool {
    let exchange = exchanges[id]
    guard let reader = exchange.reader, !reader.lastEventID.isEmpty, exchange.serverRevision.era == .legacy,
      let open = exchange.opened, let cluster = exchange.cluster
    else { return false }
    let lastEventID = reader.lastEventID
    let delay = UpstreamRetry.delay(asked: reader.retry, otherwise: 1000)
    guard exchange.deadline > now + delay else { return false }
    after(milliseconds: delay) { [self] in
      guard exchanges.contains(id), let endpoint = cluster.endpoint else { return }
      let fresh = takeReader()
      fresh.lastEventID = lastEventID
      // It holds until the server names another.
      fresh.retry = reader.retry
      uncover(reader)
      exchange.reader = fresh
      headScratch.buffer.clear()
      headScratch.buffer.append(cluster.head("GET", accept: "text/event-stream"))
      appendSession(open)
      headScratch.buffer.append(header: .lastEventID, lastEventID.rawBytes)
      headScratch.buffer.appendHeadEnd()
      guard let connection = loop.connect(endpoint, tag: tag(.exchange, id.rawValue)) else {
        return fail(id, .overloaded)
      }
      exchange.carrier = .connection(connection)
      loop.send(connection, headBytes)
    }
    return true
  }
}
