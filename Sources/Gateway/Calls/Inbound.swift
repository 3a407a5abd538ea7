import MCP
import Reactor
import Wire

/// One message from an upstream in the course of a call: the response, or something that comes before it.
extension Worker {
  func receive(_ id: ExchangeID, _ message: RawSpan) {
    guard let exchange = exchanges.find(id) else { return }
    if case .local(let call) = exchange.origin { return receiveLocal(id, call, message) }
    let envelopes = answerScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    switch envelope.kind {
    case .error where repeatsInNewSession(id, envelope):
      return
    case .result, .error:
      guard belongs(envelope, to: id) else { return }
      deliver(id, envelope)
    case .notification:
      receiveNotification(id, envelope)
    case .request:
      receiveRequest(id, envelope)
    case .batch:
      // Revision 2025-03-26 may batch what it sends [2].
      for element in Self.elements(of: envelope.message) { receive(id, element.rawBytes) }
    case .invalid:
      guard let cluster = exchange.cluster else { return }
      fail(id, .malformed(cluster, envelope.fault?.text ?? "no JSON-RPC message"))
    }
  }

  /// Copies of an array's elements.
  static func elements(of array: RawSpan) -> [[UInt8]] {
    var items = JSON.items(of: array)
    var elements: [[UInt8]] = []
    while let item = items.next() { elements.append(array[item.value].array) }
    return elements
  }

  /// On HTTP the exchange says whose the response is; an id of another call is a mistake of the upstream's.
  private func belongs(_ envelope: Envelope, to id: ExchangeID) -> Bool {
    guard let token = envelope.id, envelope.idKind == .integer else { return envelope.kind == .error }
    return ExchangeID(token: token) == id
  }

  private func receiveLocal(_ id: ExchangeID, _ call: LocalCall, _ message: RawSpan) {
    let exchange = exchanges[id]
    let envelopes = answerScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    switch envelope.kind {
    case .error where repeatsInNewSession(id, envelope):
      return
    case .result, .error:
      let bytes = message.array
      let httpSession = exchange.reader?.httpSession ?? []
      if exchange.reader?.hasSeveralSessions == true {
        finish(id)
        return call.complete(.failed("it answered with two different Mcp-Session-Id fields"))
      }
      let status = exchange.reader?.status ?? 0
      finish(id)
      call.complete(.message(bytes, status: status, httpSession: httpSession))
    case .notification:
      call.onNotification?(message.array)
    case .request where envelope.method == .ping:
      if let id = envelope.id { answerUpstream(exchange, result: "{}", to: id) }
    case .request:
      answerUpstream(exchange, envelope, code: -32601, "the gateway itself has no \(envelope.methodName.text)")
    case .batch:
      for element in Self.elements(of: envelope.message) where exchanges.contains(id) { receive(id, element.rawBytes) }
    case .invalid where call.onNotification != nil && exchange.reader?.mode == .events:
      // A stream goes on without what is no message.
      logger.warning("\(exchange.cluster?.alias ?? "") sent what is no message: \(envelope.fault?.text ?? "")")
    case .invalid:
      finish(id)
      call.complete(.failed(envelope.fault?.text ?? "no JSON-RPC message"))
    }
  }

  // MARK: Notifications

  func receiveNotification(_ id: ExchangeID, _ envelope: Envelope) {
    let exchange = exchanges[id]
    guard let cluster = exchange.cluster else { return }
    switch envelope.method {
    case .notifyProgress:
      forwardProgress(id, envelope)
    case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
      listChanged(cluster, envelope.method, exchange.binding)
    case .notifyResourcesUpdated:
      resourceUpdated(cluster, envelope, exchange.binding)
    case .notifyCancelled:
      cancelReverse(of: id, envelope)
    case .notifyMessage where !isWanted(envelope, by: id):
      break
    case .notifyElicitationComplete:
      let asked = exchange.binding.flatMap { sessionAsked(envelope, in: $0) }
      guard let asked, asked != exchange.session?.id else { fallthrough }
      elicitationCompleted(envelope, for: asked)
    default:
      splice.reset()
      guard ServerTranslation.notification(envelope, hop(exchange), splice: &splice) else { return }
      bodyScratch.clear()
      if splice.write(envelope.message, into: &bodyScratch.buffer) { forwardNotification(id, bodyBytes) }
    }
  }

  /// A modern client hears of a legacy server's logs only if this request asked for them, and from that level on [7.1], a
  /// legacy one from the level on that it set: what others wanted of the same conversation may be more. What a modern server
  /// tells a modern client is between the two.
  private func isWanted(_ log: Envelope, by id: ExchangeID) -> Bool {
    let exchange = exchanges[id]
    let isModern = exchange.clientRevision.era == .modern
    if isModern, exchange.serverRevision.era == .modern { return true }
    guard let wanted = isModern ? exchange.logLevel : exchange.session?.withState({ $0.logLevel }) else {
      return !isModern
    }
    return LogLevel(token: log.value(Param.level)).map { $0 >= wanted } ?? true
  }

  private func forwardProgress(_ id: ExchangeID, _ envelope: Envelope) {
    let exchange = exchanges[id]
    exchange.deadline = min(
      now + settings.callTimeout, exchange.startedAt + settings.callTimeoutCeiling)
    guard !exchange.progressToken.isEmpty, let token = envelope.value(Param.progressToken),
      ExchangeID(token: token) == id
    else { return }
    splice.reset()
    let client = exchange.progressToken
    guard
      ServerTranslation.notification(
        envelope, hop(exchange), progressToken: client.bytes(of: self), splice: &splice)
    else { return }
    bodyScratch.clear()
    if splice.write(envelope.message, into: &bodyScratch.buffer) { forwardNotification(id, bodyBytes) }
  }

  /// Writes a message on the stream of its call, which becomes one if it had not begun.
  func forwardNotification(_ id: ExchangeID, _ message: RawSpan) {
    let exchange = exchanges[id]
    switch exchange.origin {
    case .post(let connection):
      guard beginEvents(id, connection) else { return }
      writeEvent(id, message)
    case .eventStream:
      guard let session = exchange.session else { return }
      emit(message, to: session)
    case .socket(let reply):
      send(message, SocketReply(connection: reply.connection, isBinary: false), source: id)
    case .batch(let batch, _):
      batch.notify(message, on: self)
    case .nobody:
      // The client left; if its stream had begun it may come back for what it missed.
      if case .stream = exchange.answer { writeEvent(id, message) }
    case .free, .local, .carrying, .notice, .renewal:
      break
    }
  }

  // MARK: Streams of answers

  /// True while the answer goes out as events or in pieces.
  func isStreaming(_ id: ExchangeID) -> Bool {
    if case .undecided = exchanges[id].answer { return false }
    return true
  }

  /// Turns an undecided answer into an event stream. False if the answer has taken another course.
  func beginEvents(_ id: ExchangeID, _ connection: ConnectionID) -> Bool {
    let exchange = exchanges[id]
    switch exchange.answer {
    case .stream: return true
    case .passing: return false
    case .undecided: break
    }
    exchange.decideAt = .max
    beginAnswer(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
    loop.heartbeat(connection, milliseconds: settings.heartbeat, gateway.heartbeatFrame)
    guard let session = exchange.session, exchange.clientRevision.era == .legacy else {
      exchange.answer = .stream(0)
      return true
    }
    let retry = exchange.clientRevision.hasPriming ? usualRetry() : nil
    let gateway = gateway
    let (number, frame) = session.withState { state in
      let number = state.log.open(.answer, connection)
      guard let retry else { return (number, nil as Frame?) }
      defer { gateway.tell(of: number, in: state, session) }
      return (number, state.log.prime(number, retry: retry))
    }
    exchange.answer = .stream(number)
    if let frame { loop.writeStream(connection, frame) }
    return true
  }

  static let streamHeaders: StaticString = "Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"

  /// After a second without a word the answer becomes an event stream, so that no proxy in between gives up on it. Where
  /// the HTTP status is still to tell what the client lacks, that waits longer.
  func decideForEvents(_ id: ExchangeID) {
    let exchange = exchanges[id]
    if mayLackCapability(exchange), now < exchange.startedAt + settings.undecidedTime {
      exchange.decideAt = exchange.startedAt + settings.undecidedTime
      return
    }
    exchange.decideAt = .max
    guard case .post(let connection) = exchange.origin else { return }
    if let reader = exchange.reader {
      if reader.mode == .json, reader.status != 0 { return }
      if !reader.collected.isEmpty {
        // A message is coming in, perhaps the response: clients take a large one as JSON, but not as one event.
        exchange.decideAt = now + GatewayState.decisionDelay
        return
      }
    }
    guard beginEvents(id, connection), !exchange.clientRevision.hasPriming else { return }
    writeFirstByte(connection)
  }

  /// Whether the call may yet end with -32021, which is to be HTTP 400 [3]: its client is modern and lacks something, of
  /// which a legacy server was told that clients have it. A modern one that answers in events has decided for itself.
  private func mayLackCapability(_ exchange: Exchange) -> Bool {
    guard exchange.clientRevision.era == .modern, exchange.method.allowsInputRequired else { return false }
    let told: ClientCapabilities
    if exchange.serverRevision.era == .legacy {
      told = exchange.binding?.abilities ?? []
    } else {
      told = exchange.reader?.mode == .events ? [] : .relayable
    }
    return !told.intersection(.askable).isSubset(of: exchange.abilities)
  }

  func writeEvent(_ id: ExchangeID, _ message: RawSpan, last: Bool = false) {
    let exchange = exchanges[id]
    guard case .stream(let number) = exchange.answer else { return }
    if number == 0 {
      guard case .post(let connection) = exchange.origin else { return }
      var event = ByteBuffer(capacity: message.byteCount + 32)
      event.append(event: message)
      guard loop.writeStream(connection, event.bytes) == .full, !pauseSource(of: id) else { return }
      // After the last event nothing more comes, and whoever sends it ends the exchange.
      guard !last, loop.queued(connection) > settings.eventBacklog + event.count else {
        return noteUnread(connection, of: exchange.session)
      }
      // A child is shared and can't be paused for one slow reader, and a modern stream can't be resumed.
      loop.abort(connection)
      clientGone(id)
      return
    }
    let frame = EventLog.encode(message)
    guard let session = exchange.session,
      let delivery = gateway.append(frame, to: number, of: session, last: last)
    else { return }
    perform(delivery, session: session, source: id)
  }

  /// Stops reading what comes for a call until the client has taken what there is. False if its source can't be paused.
  func pauseSource(of id: ExchangeID) -> Bool {
    guard case .connection(let upstream) = exchanges[id].carrier else { return false }
    pause(id, upstream)
    return true
  }

  func pause(_ id: ExchangeID, _ upstream: ConnectionID) {
    exchanges[id].isPaused = true
    loop.pauseReading(upstream)
  }

  func resumeSource(of id: ExchangeID) {
    let exchange = exchanges[id]
    guard exchange.isPaused else { return }
    exchange.isPaused = false
    if case .connection(let upstream) = exchange.carrier { loop.resumeReading(upstream) }
  }
}
