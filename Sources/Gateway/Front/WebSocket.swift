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
    loop.setTag(connection, tag(.socket, UInt64(sockets.make(connection, view))))
  }

  func socketReceived(_ place: Int, _ message: RawSpan, binary: Bool) {
    guard let socket = sockets[place] else { return }
    let reply = SocketReply(connection: socket.connection, isBinary: binary)
    let envelopes = requestScanner
    let envelope = envelopes.scan(message, depth: settings.depth)
    let inbound = Inbound.classify(envelope)
    guard admits(inbound, reply, socket.session, envelope) else { return }
    switch inbound {
    case .modern(.subscriptionsListen):
      listen(.socket(reply), socket.view, envelope)
    case .modern:
      serve(.socket(reply), nil, socket.view, envelope, .r20260728)
    case .modernNotification(.notifyCancelled), .legacyNotification(.notifyCancelled, _):
      if let requestID = envelope.value(Param.requestID) { cancel(socket, requestID) }
    case .modernNotification(.other):
      passNotification(nil, socket.view, envelope, .r20260728, from: party(of: socket.connection))
    case .modernNotification, .stream, .terminate:
      break
    case .legacyInitialize(let revision):
      initialize(place, socket, reply, envelope, revision)
    case .legacyRequest(.ping, _) where socket.session == nil:
      serve(.socket(reply), nil, socket.view, envelope, .newestLegacy)
    case .legacyRequest:
      guard let session = socket.session else { return refuseEarly(reply, envelope.id) }
      serve(.socket(reply), session, socket.view, envelope, session.revision)
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
    _ place: Int, _ socket: ClientSocket, _ reply: SocketReply, _ envelope: Envelope, _ revision: Revision
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
    sockets.open(session, at: place)
    guard isParked else {
      writeInitializeResult(envelope, session)
      return send(bodyBytes, reply)
    }
    let message = envelope.message.array
    whenFacesAreKnown(socket.view) { worker in
      guard worker.sockets.place(of: reply.connection) != nil else { return }
      let envelopes = worker.requestScanner
      worker.writeInitializeResult(envelopes.scan(message.rawBytes), session)
      worker.send(worker.bodyBytes, reply)
    }
  }

  // MARK: Toward the client

  /// An error before any call began.
  func refuse(_ reply: SocketReply, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    bodyScratch.clear()
    bodyScratch.buffer.append(error, id: id, to: era)
    send(bodyBytes, reply)
  }

  /// Sends a message, for one of this worker's calls if it belongs to one.
  ///
  /// What an HTTP upstream sends is not read until the client has taken what there is. Where nothing can be paused a
  /// client with too much to catch up with is let go: there is no resumption, so it gets as much time as with HTTP+SSE.
  func send(_ message: RawSpan, _ reply: SocketReply, source: CallID? = nil) {
    let connection = reply.connection
    guard loop.webSockets.send(connection, message, binary: reply.isBinary) == .full else { return }
    if let source, pauseSource(of: source) { return }
    letGoIfBehind(connection, message.byteCount)
  }

  /// The same for a message that goes to others too.
  func send(_ broadcast: Broadcast, _ length: Int, to connection: ConnectionID) {
    guard loop.webSockets.send(connection, broadcast) == .full else { return }
    letGoIfBehind(connection, length)
  }

  private func letGoIfBehind(_ connection: ConnectionID, _ length: Int) {
    guard let place = sockets.place(of: connection) else { return }
    guard loop.queued(connection) - length > settings.resultLimit else {
      return noteUnread(connection, of: sockets[place]?.session)
    }
    closeSocket(place, .overloaded)
  }

  // MARK: The end

  /// Ends a WebSocket for that reason.
  func closeSocket(_ place: Int, _ reason: GatewayError) {
    guard let socket = sockets[place] else { return }
    loop.setTag(socket.connection, 0)
    loop.webSockets.close(socket.connection, code: reason.closeCode ?? 1011)
    socketGone(place)
  }

  /// With its socket a client is gone: its calls are cancelled, its session ends.
  func socketGone(_ place: Int) {
    guard let socket = sockets.remove(place) else { return }
    let connection = socket.connection
    if socketListens[connection] != nil {
      for stream in listens.keys where stream.connection == connection { listenGone(stream) }
    }
    abandonCalls(over: connection)
    if let session = socket.session { end(session) }
  }

  /// The client cancelled a request: its upstream is told, and nothing answers it any more.
  private func cancel(_ socket: ClientSocket, _ requestID: RawSpan) {
    let connection = socket.connection
    for (stream, listen) in listens where stream.connection == connection && listen.subscriptionID.equals(requestID) {
      listenGone(stream)
    }
    cancelCalls(over: connection, requestID)
  }

  /// The server that these looked at is there no more.
  func closeSockets(to view: CatalogueView) {
    for place in sockets.places where sockets[place]?.view == view { closeSocket(place, GatewayError(.draining)) }
  }

  // MARK: Draining

  /// Sockets without calls are closed; the others when their last call has been answered.
  func drainSockets() {
    for place in sockets.places { closeIfDrained(place) }
  }

  func closeIfDrained(_ connection: ConnectionID) {
    if let place = sockets.place(of: connection) { closeIfDrained(place) }
  }

  private func closeIfDrained(_ place: Int) {
    guard let connection = sockets[place]?.connection, !hasCalls(over: connection) else { return }
    closeSocket(place, GatewayError(.draining))
  }

  // MARK: Echo

  /// `/debug/echo`: what comes goes back as it came.
  func openEcho(_ connection: ConnectionID, _ head: RequestHead) {
    guard admits(.webSocket, .post(connection), .webSocket, nil, id: nil, .legacy) else { return }
    guard loop.webSockets.accept(connection, head, settings.echoSettings, subprotocol: Self.subprotocol) else { return }
    loop.setTag(connection, tag(.echo, UInt64(sockets.make(connection, .all))))
  }
}
