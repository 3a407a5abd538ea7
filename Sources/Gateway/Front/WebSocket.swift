import MCP
import Reactor
import Wire

/// WebSockets of clients: the opening, the messages, the end (PROTOCOL section 8).
extension Worker {
  static let subprotocol: StaticString = "mcp"

  /// Answers the upgrade; Host and Origin have been checked.
  func openSocket(_ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead) {
    guard admits(.webSocket, .post(connection), .webSocket, nil, id: nil, .legacy) else { return }
    guard loop.webSockets.accept(connection, head, settings.socketSettings, subprotocol: Self.subprotocol) else {
      return
    }
    _ = delivery.sockets.opened(connection, view)
  }

  func socketReceived(_ place: SocketID, _ message: RawSpan, binary: Bool) {
    guard let socket = delivery.sockets.find(place) else { return }
    let reply = SocketReply(connection: socket.connection, isBinary: binary)
    let envelopes = requestScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    let inbound = Inbound.classify(envelope)
    guard admits(inbound, reply, socket.session, envelope) else { return }
    switch inbound {
    case .modern(.subscriptionsListen):
      delivery.listens.listen(
        .socket(reply.connection, isBinary: reply.isBinary), socket.view, envelope)
    case .modern:
      serve(reply.reply, nil, socket.view, envelope, .r20260728)
    case .modernNotification(.notifyCancelled), .legacyNotification(.notifyCancelled, _):
      if let requestID = envelope.value(Param.requestID) { cancel(socket, requestID) }
    case .modernNotification(.other):
      passNotification(nil, socket.view, envelope, .r20260728, from: party(of: socket.connection))
    case .modernNotification, .stream, .terminate:
      break
    case .legacyInitialize(let revision):
      initialize(place, socket, reply, envelope, revision)
    case .legacyRequest(.ping, _) where socket.session == nil:
      serve(reply.reply, nil, socket.view, envelope, .newestLegacy)
    case .legacyRequest:
      guard let session = socket.session else { return refuseEarly(reply, envelope.id) }
      serve(reply.reply, session, socket.view, envelope, session.revision)
    case .legacyNotification:
      if let session = socket.session { clientNotified(session, envelope) }
    case .legacyResponse:
      if let session = socket.session { clientResponded(session, envelope) }
    case .legacyBatch:
      guard let session = socket.session else { return refuseEarly(reply, nil) }
      serveBatch(.socket(reply), session, envelope.message)
    case .reject(let error):
      let modern = envelope.value(MetaKey.protocolVersion) != nil
      refuse(reply, error, id: Self.answerableID(envelope, error), modern ? .modern : .legacy)
    }
  }

  /// Whether what a message begins is begun; a session that it opens is asked for later.
  private func admits(_ inbound: Inbound, _ reply: SocketReply, _ session: Session?, _ envelope: Envelope) -> Bool {
    let kind: Arrival.Kind
    var era = Era.legacy
    switch inbound {
    case .modern(.subscriptionsListen): (kind, era) = (.listen, .modern)
    case .modern: (kind, era) = (.request(envelope.method), .modern)
    case .legacyInitialize where session == nil: return true
    case .reject, .stream, .terminate: return true
    default: kind = Arrival.Kind(envelope)
    }
    return admits(kind, .socket(reply), .webSocket, session, id: envelope.id, era)
  }

  private func refuseEarly(_ reply: SocketReply, _ id: RawSpan?) {
    refuse(reply, GatewayError(.sessionMissing, message: "Bad request: initialize comes first"), id: id, .legacy)
  }

  private func initialize(
    _ place: SocketID, _ socket: ClientSocket, _ reply: SocketReply, _ envelope: Envelope, _ revision: Revision
  ) {
    if let session = socket.session {
      // As SDK servers take it: what the second one says holds from now on.
      shakeHands(session, revision, envelope)
      writeInitializeResult(envelope, session)
      return send(bodyBytes, reply)
    }
    let arrival = Arrival(kind: .opening, transport: .webSocket, connection: socket.connection, session: nil)
    var isParked = false
    switch judge(arrival, socket.view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return refuse(reply, error, id: envelope.id, .legacy)
    }
    guard
      let session = makeSession(
        for: party(of: socket.connection), socket.view, envelope, revision, .socket(socket.connection))
    else {
      return refuse(reply, Admission.sessionLimit, id: envelope.id, .legacy)
    }
    delivery.sockets.open(session, on: place)
    guard isParked else {
      writeInitializeResult(envelope, session)
      return send(bodyBytes, reply)
    }
    let message = envelope.message.array
    whenFacesAreKnown(socket.view) { worker in
      guard worker.delivery.sockets.id(of: reply.connection) != nil else { return }
      let envelopes = worker.requestScanner
      worker.writeInitializeResult(envelopes.scan(message.rawBytes), session)
      worker.send(worker.bodyBytes, reply)
    }
  }

  /// The client cancelled a request: its upstream is told, and nothing answers it any more.
  private func cancel(_ socket: ClientSocket, _ requestID: RawSpan) {
    delivery.listens.cancel(on: socket.connection, requestID)
    cancelCalls(over: socket.connection, requestID)
  }

  // MARK: Echo

  /// `/debug/echo`: what comes goes back as it came.
  func openEcho(_ connection: ConnectionID, _ head: RequestHead) {
    guard admits(.webSocket, .post(connection), .webSocket, nil, id: nil, .legacy) else { return }
    guard loop.webSockets.accept(connection, head, settings.echoSettings, subprotocol: Self.subprotocol) else { return }
    _ = delivery.sockets.opened(connection, .all, as: .echo)
  }
}
