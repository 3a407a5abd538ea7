import Calls
import Catalogue
import Delivery
import MCP
import OpenCalls
import Reactor
import Sessions
import Wire
import Workers

/// WebSockets of clients: the opening, and the messages (an extension: no revision of MCP has one).
final class WebSocketFront {
  private let context: FrontContext
  private let loop: EventLoop
  private let calls: Calls
  private let sockets: WebSocketTransport
  private let openings: SessionOpenings

  init(_ context: FrontContext, _ openings: SessionOpenings) {
    self.context = context
    loop = context.loop
    calls = context.calls
    sockets = context.delivery.sockets
    self.openings = openings
  }

  private static let subprotocol: StaticString = "mcp"

  /// Answers the upgrade; Host and Origin have been checked.
  func open(_ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead) {
    guard context.admits(.webSocket, .post(connection), .webSocket, nil, id: nil, .legacy) else { return }
    accept(connection, head, context.settings.socketSettings, view, as: .socket)
  }

  func received(_ id: SocketID, _ message: RawSpan, binary: Bool) {
    guard let socket = sockets.find(id) else { return }
    let reply = ReplyTo.socket(socket.connection, isBinary: binary)
    let envelopes = context.scanner
    let envelope = envelopes.scan(message, depth: context.settings.depth)
    let inbound = Inbound.classify(envelope)
    guard admits(inbound, reply, socket.session, envelope) else { return }
    switch inbound {
    case .modern(.subscriptionsListen):
      context.delivery.listens.listen(reply, socket.view, envelope)
    case .modern:
      calls.serve(reply, nil, socket.view, envelope, .r20260728)
    case .modernNotification(.notifyCancelled), .legacyNotification(.notifyCancelled, _):
      if let requestID = envelope.value(Param.requestID) { cancel(socket, requestID) }
    case .modernNotification(.other):
      calls.passNotification(
        nil, socket.view, envelope, .r20260728, from: context.worker.party(of: socket.connection))
    case .modernNotification, .stream, .terminate:
      break
    case .legacyInitialize(let revision):
      initialize(id, socket, reply, envelope, revision)
    case .legacyRequest(.ping, _) where socket.session == nil:
      calls.serve(reply, nil, socket.view, envelope, .newestLegacy)
    case .legacyRequest:
      guard let session = socket.session else { return refuseEarly(reply, envelope.id) }
      calls.serve(reply, session, socket.view, envelope, session.revision)
    case .legacyNotification:
      if let session = socket.session { calls.messages.notified(session, envelope) }
    case .legacyResponse:
      if let session = socket.session { calls.reverse.clientResponded(session, envelope) }
    case .legacyBatch:
      guard let session = socket.session else { return refuseEarly(reply, nil) }
      calls.messages.serveBatch(reply, session, envelope.message, over: .webSocket)
    case .reject(let error):
      let modern = envelope.value(MetaKey.protocolVersion) != nil
      context.refuse(reply, error, id: envelope.answerableID(error), modern ? .modern : .legacy)
    }
  }

  /// Whether what a message begins is begun; a session that it opens is asked for later.
  private func admits(_ inbound: Inbound, _ reply: ReplyTo, _ session: Session?, _ envelope: Envelope) -> Bool {
    let kind: Arrival.Kind
    var era = Era.legacy
    switch inbound {
    case .modern(.subscriptionsListen): (kind, era) = (.listen, .modern)
    case .modern: (kind, era) = (.request(envelope.method), .modern)
    case .legacyInitialize where session == nil: return true
    case .reject, .stream, .terminate: return true
    default: kind = Arrival.Kind(envelope)
    }
    return context.admits(kind, reply, .webSocket, session, id: envelope.id, era)
  }

  private func refuseEarly(_ reply: ReplyTo, _ id: RawSpan?) {
    context.refuse(
      reply, GatewayError(.sessionMissing, message: "Bad request: initialize comes first"), id: id, .legacy)
  }

  private func initialize(
    _ id: SocketID, _ socket: ClientSocket, _ reply: ReplyTo, _ envelope: Envelope, _ revision: Revision
  ) {
    if let session = socket.session {
      // As SDK servers take it: what the second one says holds from now on.
      openings.shakeHands(session, revision, envelope)
      openings.writeResult(envelope, session)
      return answer(reply)
    }
    let arrival = Arrival(kind: .opening, transport: .webSocket, connection: socket.connection, session: nil)
    var isParked = false
    switch calls.judge(arrival, socket.view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return context.refuse(reply, error, id: envelope.id, .legacy)
    }
    guard
      let session = openings.make(
        for: context.worker.party(of: socket.connection), socket.view, envelope, revision, .socket(socket.connection))
    else {
      return context.refuse(reply, Admission.sessionLimit, id: envelope.id, .legacy)
    }
    sockets.open(session, on: id)
    guard isParked else {
      openings.writeResult(envelope, session)
      return answer(reply)
    }
    let message = envelope.message.array
    calls.faces.whenKnown(socket.view) { [unowned self] in
      guard sockets.find(id) != nil else { return }
      let envelopes = context.scanner
      openings.writeResult(envelopes.scan(message.rawBytes), session)
      answer(reply)
    }
  }

  /// With what is in body scratch.
  private func answer(_ reply: ReplyTo) { sockets.send(context.body.bytes(of: self), reply) }

  /// The client cancelled a request: its upstream is told, and nothing answers it any more.
  private func cancel(_ socket: ClientSocket, _ requestID: RawSpan) {
    context.delivery.listens.cancel(on: socket.connection, requestID)
    calls.clients.cancel(over: socket.connection, requestID)
  }

  /// `/debug/echo`: what comes goes back as it came.
  func openEcho(_ connection: ConnectionID, _ head: RequestHead) {
    guard context.admits(.webSocket, .post(connection), .webSocket, nil, id: nil, .legacy) else { return }
    accept(connection, head, context.settings.echoSettings, .all, as: .echo)
  }

  private func accept(
    _ connection: ConnectionID, _ head: RequestHead, _ settings: WebSocketSettings, _ view: CatalogueView,
    as kind: TagKind
  ) {
    guard loop.webSockets.accept(connection, head, settings, subprotocol: Self.subprotocol) else { return }
    sockets.opened(connection, view, as: kind)
  }
}
