import MCP
import Reactor
import Wire

/// The streams that clients open to listen: GET of a legacy session, resumption, and HTTP+SSE of 2024-11-05.
extension Worker {
  // MARK: GET of a session

  func openStandalone(_ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead) {
    guard let text = head.header(.mcpSessionID) else {
      return refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
    }
    guard let session = session(text, of: connection, view, id: nil),
      admits(.stream, .post(connection), .streamableHTTP, session, id: nil, .legacy)
    else { return }
    session.touch(now: now)
    if let lastEventID = head.header(.lastEventID) { return resume(connection, session, lastEventID.array) }
    listen(connection, session)
  }

  /// Opens another stream of the session.
  private func listen(_ connection: ConnectionID, _ session: Session) {
    let limit = settings.configuration.limits.streamsPerSession
    let opened = session.withState { state -> Bool in
      guard !state.ended, state.log.attachedCount < limit else { return false }
      _ = state.log.open(.standalone, connection)
      return true
    }
    guard opened else {
      return refuse(
        connection, GatewayError(.streamTaken, message: "Conflict: the session has \(limit) streams open already"),
        id: nil, .legacy)
    }
    session.noteUse()
    delivery.streams.beginReading(connection, session)
    if gateway.isDraining { return delivery.streams.sendAway(connection, session) }
    // Without an id: SDK clients that come back with one that is forgotten by then do not try without.
    if session.revision.hasPriming { delivery.answers.writeRetry(connection, delivery.streams.usualRetry()) } else { delivery.answers.writeFirstByte(connection) }
    sessionListens(session)
    tellToLookAgain(session, resumed: false)
  }

  /// - Parameter attempt: how often it was too early.
  private func resume(_ connection: ConnectionID, _ session: Session, _ id: [UInt8], attempt: Int = 0) {
    let now = now
    let isShared = gateway.predecessor.relay != nil && delivery.streams.mayWait(session, attempt)
    let resumption = session.withState { $0.log.resume(after: id.rawBytes, connection, isShared: isShared, now: now) }
    switch resumption {
    case .early:
      resumeLater(connection, session, id, attempt)
    case .gone:
      // Of a former process, or of nobody's interest for too long. What it would have brought is not known any more.
      session.haveNews()
      listen(connection, session)
    case .unknown:
      refuse(
        connection, GatewayError(.notResumable, message: "Last-Event-ID names no stream of this session"), id: nil,
        .legacy)
    case .lost:
      refuse(
        connection,
        GatewayError(
          .notResumable, message: "the stream can't be resumed: what followed that event was too large to be kept"),
        id: nil, .legacy)
    case .over:
      refuse(
        connection, GatewayError(.notResumable, message: "the stream has ended: nothing follows that event"), id: nil,
        .legacy)
    case .replay(let events, _, let ended, let replaced):
      if let replaced { delivery.hand(.dropReader(replaced, of: session), to: replaced.worker) }
      delivery.streams.beginReading(connection, session)
      for event in events { delivery.streams.write(event, on: connection) }
      if events.isEmpty { delivery.answers.writeFirstByte(connection) }
      if ended { return delivery.streams.endReading(connection, of: session) }
      guard session.withState({ $0.log.standalone(readBy: connection) }) != nil else { return }
      if gateway.isDraining { return delivery.streams.sendAway(connection, session) }
      tellToLookAgain(session, resumed: true)
    }
  }

  private func resumeLater(_ connection: ConnectionID, _ session: Session, _ id: [UInt8], _ attempt: Int) {
    delivery.streams.wait(session, attempt) { [unowned self] in
      // Its client may have gone meanwhile, or have ended the session.
      guard loop.setTag(connection, 0) else { return }
      guard gateway.sessions.find(session.id) === session else {
        return refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
      }
      resume(connection, session, id, attempt: attempt + 1)
    }
  }

  // MARK: HTTP+SSE

  /// `GET /mcp/sse`: opens the stream and names where to POST.
  func openEventStream(_ connection: ConnectionID, _ head: RequestHead) {
    guard head.method == .get else {
      return refuse(connection, GatewayError(.methodNotAllowed), id: nil, .modern)
    }
    guard Accept(head).contains(.eventStream) || head.header(.accept) == nil else {
      return refuse(connection, GatewayError(.notAcceptable), id: nil, .legacy)
    }
    guard admits(.opening, .post(connection), .eventStream, nil, id: nil, .legacy) else { return }
    let session = Session(
      id: SessionID(worker: UInt8(index)), party: party(of: connection), view: .all,
      handshake: Session.Handshake(.r20241105), .eventStream, replay: 0, resumeWindow: 0, now: now)
    guard takeIn(session) else { return refuse(connection, Admission.sessionLimit, id: nil, .legacy) }
    _ = session.withState { $0.log.open(.standalone, connection) }
    delivery.streams.beginReading(connection, session)
    var event = ByteBuffer(capacity: 128)
    event.append(retry: delivery.streams.usualRetry())
    event.append("event: endpoint\ndata: ")
    if loop.isProxy(connection), let prefix = ForwardedPrefix(head) { event.append(prefix.path.rawBytes) }
    event.append("/mcp/messages?session_id=")
    append(ticketOf: session, to: &event)
    event.append("\n\n")
    loop.writeStream(connection, event.bytes)
  }

  /// `POST /mcp/messages?session_id=…`: taken with 202, answered on the stream.
  func receiveMessages(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    guard head.method == .post else {
      return refuse(connection, GatewayError(.methodNotAllowed), id: nil, .modern)
    }
    guard let query = head.query, query.hasPrefix("session_id=") else {
      return refuse(connection, GatewayError(.sessionMissing, message: "session_id is missing"), id: nil, .legacy)
    }
    guard let session = boundSession(query.extracting(11..<query.byteCount), of: connection) else {
      return refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy)
    }
    session.touch(now: now)
    let envelopes = requestScanner
    let envelope = envelopes.scan(body, depth: settings.depth)
    if let fault = GatewayError(fault: envelope) { return refuse(connection, fault, id: envelope.id, .legacy) }
    let kind = Arrival.Kind(envelope)
    let arrival = Arrival(kind: kind, transport: .eventStream, connection: connection, session: session)
    var isParked = false
    switch judge(arrival, session.view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return refuse(connection, error, id: envelope.id, .legacy)
    }
    respond(
      connection, EventLoop.ReplyHead(202, "text/plain", headers: RawSpan()), ("Accepted" as StaticString).bytes)
    switch envelope.kind {
    case .request where envelope.method == .initialize:
      initializeEventStream(session, envelope, isParked: isParked)
    case .request: serve(.eventStream, session, session.view, envelope, session.revision)
    case .notification: clientNotified(session, envelope)
    case .result, .error: clientResponded(session, envelope)
    case .batch, .invalid: break
    }
  }

  /// The handshake comes after the stream: what the client said is kept beside the session.
  private func initializeEventStream(_ session: Session, _ envelope: Envelope, isParked: Bool) {
    shakeHands(session, envelope.requestedRevision, envelope)
    guard isParked else {
      writeInitializeResult(envelope, session)
      emit(bodyBytes, to: session)
      return
    }
    let message = envelope.message.array
    whenFacesAreKnown(session.view) { worker in
      let envelopes = worker.requestScanner
      worker.writeInitializeResult(envelopes.scan(message.rawBytes), session)
      worker.emit(worker.bodyBytes, to: session)
    }
  }
}
