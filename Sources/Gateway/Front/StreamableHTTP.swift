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
}
