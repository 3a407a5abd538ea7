import MCP
import Reactor
import Wire

/// Streamable HTTP of 2025-03-26 to 2025-11-25: sessions that open with `initialize`.
extension Worker {
  // MARK: Opening and closing

  /// Opens a session and answers with what the servers behind this path offer together.
  func initialize(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope,
    _ revision: Revision
  ) {
    let arrival = Arrival(kind: .opening, transport: .streamableHTTP, connection: connection, session: nil)
    var isParked = false
    switch judge(arrival, view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return refuse(connection, error, id: envelope.id, .legacy)
    }
    let known = head.header(.mcpSessionID)
    var former: Session?
    if let known {
      // A second one in the same session. What it settles has to be in the id, from which every process reads it, so the
      // client gets another session, and the one that it had ends: once it has the other.
      former = session(known, of: connection, view, id: envelope.id)
      guard former != nil else { return }
    }
    guard let session = makeSession(for: party(of: connection), view, envelope, revision) else {
      return refuse(connection, Admission.sessionLimit, id: envelope.id, .legacy)
    }
    if let former, let known { terminate(former, known) }
    guard isParked else { return opened(connection, session, envelope) { append(ticketOf: session, to: &$0) } }
    let message = envelope.message.array
    whenFacesAreKnown(view) { worker in
      let envelopes = worker.requestScanner
      worker.opened(connection, session, envelopes.scan(message.rawBytes)) {
        worker.append(ticketOf: session, to: &$0)
      }
    }
  }

  func shakeHands(_ session: Session, _ revision: Revision, _ envelope: Envelope) {
    let settled = Session.Handshake(revision, envelope)
    var outdated: [(Cluster, UpstreamSession.Open)] = []
    gateway.sessions.regroup(session) { outdated = session.shakeHands(settled) }
    for (cluster, open) in outdated { upstream.end(open, cluster) }
    let gateway = gateway
    session.withState { gateway.tell($0, of: session) }
  }

  private func opened(
    _ connection: ConnectionID, _ session: Session, _ envelope: Envelope, _ appendID: (inout ByteBuffer) -> Void
  ) {
    writeInitializeResult(envelope, session)
    headScratch.buffer.clear()
    headScratch.buffer.append("Mcp-Session-Id: ")
    appendID(&headScratch.buffer)
    headScratch.buffer.append("\r\n")
    respond(connection, EventLoop.ReplyHead(200, "application/json", headers: headBytes), bodyBytes)
  }

  /// nil if there are as many sessions as there may be.
  func makeSession(
    for party: Party, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision,
    _ transport: Session.Transport = .streamableHTTP
  ) -> Session? {
    let session = Session(
      id: SessionID(worker: UInt8(index)), party: party, view: view,
      handshake: Session.Handshake(revision, envelope), transport,
      replay: settings.configuration.sessions.replay, resumeWindow: settings.resumeWindow, now: now)
    return takeIn(session) ? session : nil
  }

  /// The InitializeResult, in body scratch.
  func writeInitializeResult(_ envelope: Envelope, _ session: Session) {
    bodyScratch.clear()
    bodyScratch.buffer.append(responseTo: envelope.id)
    appendInitializeResult(of: session, to: &bodyScratch.buffer)
    bodyScratch.buffer.append("}")
  }

  /// What there is for a session by now, which holds for it from here on.
  func appendInitializeResult(of session: Session, to buffer: inout ByteBuffer) {
    let offer = gateway.catalogue(of: .legacy).offer(session.view)
    session.note(offer)
    buffer.append(initializeResult: offer, revision: session.revision)
  }

  // MARK: Traffic

  func serveSession(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope
  ) {
    guard let text = head.header(.mcpSessionID) else {
      return refuse(connection, GatewayError(.sessionMissing), id: envelope.id, .legacy)
    }
    guard let session = session(text, of: connection, view, id: envelope.id) else { return }
    let kind = Arrival.Kind(envelope)
    guard admits(kind, .post(connection), .streamableHTTP, session, id: envelope.id, .legacy) else { return }
    session.touch(now: now)
    switch envelope.kind {
    case .request:
      serve(.post(connection), session, session.view, envelope, session.revision)
    case .notification:
      accept(connection)
      clientNotified(session, envelope)
    case .result, .error:
      accept(connection)
      clientResponded(session, envelope)
    case .batch:
      serveBatch(.post(connection), session, envelope.message)
    case .invalid:
      break
    }
  }

  func serveBatch(_ path: ReplyPath, _ session: Session, _ message: RawSpan) {
    guard session.revision.hasBatches else { return refuse(path, GatewayError(.batchNotAllowed), id: nil, .legacy) }
    let elements = JSON.elements(of: message)
    guard elements.count <= settings.configuration.limits.batch else {
      return refuse(
        path,
        GatewayError(
          .invalidRequest,
          message: "Invalid request: more than \(settings.configuration.limits.batch) messages in a batch"), id: nil,
        .legacy)
    }
    switch MCP.Batch.classify(message, scanner: requestScanner) {
    case .reject(let error):
      refuse(path, error, id: nil, .legacy)
    case .responses:
      accept(path)
      let envelopes = requestScanner
      for element in elements { clientResponded(session, envelopes.scan(element.rawBytes)) }
    case .calls(let requests):
      if requests == 0 { accept(path) }
      let batch = Batch(path, session, requests: requests)
      var position = 0
      for element in elements {
        let envelopes = requestScanner
        let envelope = envelopes.scan(element.rawBytes, depth: settings.depth)
        guard envelope.kind == .request else {
          clientNotified(session, envelope)
          continue
        }
        serve(.batch(batch, position), session, session.view, envelope, session.revision)
        position += 1
      }
    }
  }

  // MARK: Notifications of clients

  func clientNotified(_ session: Session, _ envelope: Envelope) {
    switch envelope.method {
    case .notifyCancelled:
      guard let requestID = envelope.value(Param.requestID) else { return }
      cancelCalls(of: session, requestID.array)
      passBack(envelope.message, of: session)
    case .notifyRootsListChanged:
      relayToUpstreams(of: session, envelope.message)
    case .notifyProgress:
      // On what a server asked of the client; it keeps its token, so it can go to the session's own conversations.
      relayToUpstreams(of: session, envelope.message)
      passBack(envelope.message, of: session)
    case .other:
      passNotification(session, session.view, envelope, session.revision, from: session.party)
    default:
      break
    }
  }

  /// A notification for every conversation that is this session's own.
  private func relayToUpstreams(of session: Session, _ message: RawSpan) {
    for (binding, open) in session.openUpstreams where open.revision.era == .legacy {
      bodyScratch.clear()
      bodyScratch.buffer.append(flattened: message)
      upstream.messages.tell(bodyBytes, binding.cluster, open)
    }
  }
}
