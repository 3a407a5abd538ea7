import MCP
import Reactor
import Wire

/// One message from an upstream in the course of a call: the response, or something that comes before it.
extension Worker {
  func receive(_ id: ExchangeID, _ message: RawSpan) {
    guard exchanges.contains(id) else { return }
    if case .local(let call) = exchanges[id].origin { return receiveLocal(id, call, message) }
    let envelopes = answerScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    switch envelope.kind {
    case .result, .error:
      guard belongs(envelope, to: id) else { return }
      deliver(id, envelope)
    case .notification:
      receiveNotification(id, envelope)
    case .request:
      receiveRequest(id, envelope)
    case .batch:
      // Revision 2025-03-26 may batch what it sends [2].
      for element in Self.elements(of: message) { receive(id, element.rawBytes) }
    case .invalid:
      guard let cluster = exchanges[id].cluster else { return }
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
    let envelopes = answerScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    switch envelope.kind {
    case .result, .error:
      let bytes = message.array
      let httpSession = exchanges[id].reader?.httpSession ?? []
      let status = exchanges[id].reader?.status ?? 0
      finish(id)
      call.complete(.message(bytes, status: status, httpSession: httpSession))
    case .notification:
      call.onNotification?(message.array)
    case .request:
      answerUpstream(exchanges[id], envelope, code: -32601, "the gateway itself has no \(envelope.methodName.text)")
    case .batch:
      for element in Self.elements(of: message) where exchanges.contains(id) { receive(id, element.rawBytes) }
    case .invalid:
      finish(id)
      call.complete(.failed(envelope.fault?.text ?? "no JSON-RPC message"))
    }
  }

  // MARK: Notifications

  func receiveNotification(_ id: ExchangeID, _ envelope: Envelope) {
    guard let cluster = exchanges[id].cluster else { return }
    switch envelope.method {
    case .notifyProgress:
      forwardProgress(id, envelope)
    case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
      listChanged(cluster, envelope.method, exchanges[id].binding)
    case .notifyResourcesUpdated:
      resourceUpdated(cluster, envelope, exchanges[id].binding)
    case .notifyCancelled:
      cancelReverse(of: id, envelope)
    case .notifyMessage where !isWanted(envelope, by: id):
      break
    default:
      splice.reset()
      guard ServerTranslation.notification(envelope, hop(exchanges[id]), splice: &splice) else { return }
      bodyScratch.buffer.clear(keepingAtMost: 256 << 10)
      if splice.write(envelope.message, into: &bodyScratch.buffer) { forwardNotification(id, bodyBytes) }
    }
  }

  /// A modern client hears of logs only if this request asked for them, and from that level on [7.1]: what others wanted
  /// of the same conversation may be more.
  private func isWanted(_ log: Envelope, by id: ExchangeID) -> Bool {
    guard exchanges[id].clientRevision.era == .modern else { return true }
    guard let wanted = exchanges[id].logLevel else { return false }
    return LogLevel(token: log.value(Param.level)).map { $0 >= wanted } ?? true
  }

  private func forwardProgress(_ id: ExchangeID, _ envelope: Envelope) {
    exchanges[id].deadline = min(
      now + settings.callTimeout, exchanges[id].startedAt + settings.callTimeoutCeiling)
    guard !exchanges[id].progressToken.isEmpty, let token = envelope.value(Param.progressToken),
      ExchangeID(token: token) == id
    else { return }
    splice.reset()
    let client = exchanges[id].progressToken
    guard
      ServerTranslation.notification(
        envelope, hop(exchanges[id]), progressToken: client.bytes(of: self), splice: &splice)
    else { return }
    bodyScratch.buffer.clear(keepingAtMost: 256 << 10)
    if splice.write(envelope.message, into: &bodyScratch.buffer) { forwardNotification(id, bodyBytes) }
  }

  /// Writes a message on the stream of its call, which becomes one if it had not begun.
  func forwardNotification(_ id: ExchangeID, _ message: RawSpan) {
    switch exchanges[id].origin {
    case .post(let connection):
      guard beginEvents(id, connection) else { return }
      writeEvent(id, message)
    case .eventStream:
      guard let session = exchanges[id].session else { return }
      emit(message, to: session)
    case .socket(let reply):
      send(message, SocketReply(connection: reply.connection, isBinary: false), source: id)
    case .batch(let batch, _):
      batch.notify(message, on: self)
    case .nobody:
      // The client left; if its stream had begun it may come back for what it missed.
      if case .stream = exchanges[id].answer { writeEvent(id, message) }
    case .free, .local, .carrying:
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
    switch exchanges[id].answer {
    case .stream: return true
    case .passing: return false
    case .undecided: break
    }
    exchanges[id].decideAt = .max
    beginAnswer(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
    loop.heartbeat(connection, milliseconds: settings.heartbeat, gateway.heartbeatFrame)
    guard let session = exchanges[id].session, exchanges[id].clientRevision.era == .legacy else {
      exchanges[id].answer = .stream(0)
      return true
    }
    let primes = exchanges[id].clientRevision.hasPriming
    let (number, frame) = session.withState { state in
      let number = state.log.open(.answer, connection)
      return (number, primes ? state.log.prime(number) : nil)
    }
    exchanges[id].answer = .stream(number)
    if let frame { loop.writeStream(connection, frame) }
    return true
  }

  static let streamHeaders: StaticString = "Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"

  /// After a second without a word the answer becomes an event stream, so that no proxy in between gives up on it.
  func decideForEvents(_ id: ExchangeID) {
    exchanges[id].decideAt = .max
    guard case .post(let connection) = exchanges[id].origin else { return }
    if let reader = exchanges[id].reader {
      if reader.mode == .json, reader.status != 0 { return }
      if !reader.collected.isEmpty {
        // A message is coming in, perhaps the response: clients take a large one as JSON, but not as one event.
        exchanges[id].decideAt = now + GatewayState.decisionDelay
        return
      }
    }
    _ = beginEvents(id, connection)
  }

  func writeEvent(_ id: ExchangeID, _ message: RawSpan, last: Bool = false) {
    guard case .stream(let number) = exchanges[id].answer else { return }
    if number == 0 {
      guard case .post(let connection) = exchanges[id].origin else { return }
      var event = ByteBuffer(capacity: message.byteCount + 32)
      event.append("event: message\ndata: ")
      event.append(flattened: message)
      event.append("\n\n")
      // After the last event nothing more comes, and whoever sends it ends the exchange.
      guard loop.writeStream(connection, event.bytes) == .full, !pauseSource(of: id), !last,
        loop.queued(connection) > settings.eventBacklog + event.count
      else { return }
      // A child is shared and can't be paused for one slow reader, and a modern stream can't be resumed.
      loop.abort(connection)
      clientGone(id)
      return
    }
    guard let session = exchanges[id].session,
      let delivery = session.withState({ $0.log.append(message, to: number, last: last) })
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
    guard exchanges[id].isPaused else { return }
    exchanges[id].isPaused = false
    if case .connection(let upstream) = exchanges[id].carrier { loop.resumeReading(upstream) }
  }

  /// Takes an encoded event to the connection that reads its stream, wherever that is.
  func perform(_ delivery: EventLog.Delivery, session: Session, source: ExchangeID? = nil) {
    guard let reader = delivery.reader else { return }
    let frame = delivery.frame
    guard reader.worker == index else {
      return gateway.post(to: reader.worker) { worker in
        worker.write(frame, to: reader, of: session, source: nil)
      }
    }
    write(frame, to: reader, of: session, source: source)
  }

  private func write(_ frame: Frame, to reader: ConnectionID, of session: Session, source: ExchangeID?) {
    guard loop.writeStream(reader, frame) == .full else { return }
    if let source, pauseSource(of: source) { return }
    // Nothing upstream can be paused for a stream that a child or many feed. One event may be as large as it likes, but a
    // reader that has so much to catch up with is let go, and may resume. HTTP+SSE knows no resumption: it gets more time.
    let limit = session.transport == .eventStream ? settings.resultLimit : settings.configuration.sessions.replay
    if loop.queued(reader) - frame.count > limit { letGo(reader, of: session) }
    if let source, session.withState({ !$0.log.readers.contains(reader) }) { clientGone(source) }
  }

  private func letGo(_ connection: ConnectionID, of session: Session) {
    loop.setTag(connection, 0)
    loop.abort(connection)
    if streamReaders[connection] != nil { return streamReaderGone(connection, tag: tag(.eventStream)) }
    let now = now
    _ = session.withState { $0.log.detach(connection, now: now) }
  }

  /// A message that belongs to no call, on one of the session's streams.
  ///
  /// False if it has none, and the message is lost.
  @discardableResult
  func emit(_ message: RawSpan, to session: Session) -> Bool {
    if let socket = session.socket {
      let reply = SocketReply(connection: socket, isBinary: false)
      if socket.worker == index {
        send(message, reply)
      } else {
        let bytes = message.array
        gateway.post(to: socket.worker) { $0.send(bytes.rawBytes, reply) }
      }
      return true
    }
    let (gateway, index) = (gateway, index)
    let taken: (delivery: EventLog.Delivery?, isKept: Bool) = session.withState { state in
      guard let stream = state.log.standalone, let delivery = state.log.append(message, to: stream) else {
        return (nil, false)
      }
      guard let reader = delivery.reader, !state.log.mayWrite(to: stream, on: index) else {
        return (delivery, true)
      }
      // Posted under the lock: so events of several workers arrive in the order of their ids.
      let frame = delivery.frame
      gateway.post(to: reader.worker) { worker in
        session.withState { $0.log.arrived(on: stream) }
        worker.write(frame, to: reader, of: session, source: nil)
      }
      return (nil, true)
    }
    if let delivery = taken.delivery { perform(delivery, session: session) }
    return taken.isKept
  }
}
