import Calls
import Catalogue
import Delivery
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Wire
import Workers

/// HTTP+SSE of 2024-11-05: a stream that is opened by GET names where messages are POSTed to, and brings all that is said.
final class EventStreamFront {
  private let context: FrontContext
  private let loop: EventLoop
  private let answers: HTTPAnswers
  private let openings: SessionOpenings
  private let tickets: SessionTickets

  init(_ context: FrontContext, _ openings: SessionOpenings, _ tickets: SessionTickets) {
    self.context = context
    loop = context.loop
    answers = context.answers
    self.openings = openings
    self.tickets = tickets
  }

  /// `GET /mcp/sse`: opens the stream and names where to POST.
  func open(_ connection: ConnectionID, _ head: RequestHead) {
    guard head.method == .get else {
      return answers.refuse(connection, GatewayError(.methodNotAllowed), id: nil, .modern, as: .sentEventStream)
    }
    guard Accept(head).contains(.eventStream) || head.header(.accept) == nil else {
      return answers.refuse(connection, GatewayError(.notAcceptable), id: nil, .legacy, as: .sentEventStream)
    }
    guard context.admits(.opening, .post(connection), .eventStream, nil, id: nil, .legacy) else { return }
    let session = Session(
      id: SessionID(worker: UInt8(context.worker.index)), party: context.worker.party(of: connection), view: .all,
      handshake: Session.Handshake(.r20241105), .eventStream, replay: 0, resumeWindow: 0, now: loop.now)
    guard openings.takeIn(session) else {
      return answers.refuse(connection, Admission.sessionLimit, id: nil, .legacy, as: .sentEventStream)
    }
    _ = session.withState { $0.log.open(.standalone, connection) }
    context.delivery.streams.beginReading(connection, session)
    var event = ByteBuffer(capacity: 128)
    event.append(retry: context.delivery.streams.usualRetry())
    event.append("event: endpoint\ndata: ")
    if loop.isProxy(connection), let prefix = ForwardedPrefix(head) { event.append(prefix.path.rawBytes) }
    event.append("/mcp/messages?session_id=")
    tickets.append(ticketOf: session, to: &event)
    event.append("\n\n")
    answers.write(event.bytes, to: connection, as: .sentEventStream)
  }

  /// `POST /mcp/messages?session_id=…`: taken with 202, answered on the stream.
  func receive(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    guard head.method == .post else {
      return answers.refuse(connection, GatewayError(.methodNotAllowed), id: nil, .modern, as: .sentEventStream)
    }
    guard let query = head.query, query.hasPrefix("session_id=") else {
      return answers.refuse(
        connection, GatewayError(.sessionMissing, message: "session_id is missing"), id: nil, .legacy,
        as: .sentEventStream)
    }
    guard let session = tickets.boundSession(query.extracting(11..<query.byteCount), of: connection) else {
      return answers.refuse(connection, GatewayError(.sessionUnknown), id: nil, .legacy, as: .sentEventStream)
    }
    session.touch(now: loop.now)
    let envelopes = context.scanner
    let envelope = envelopes.scan(body, depth: context.settings.depth)
    if let fault = GatewayError(fault: envelope) {
      return answers.refuse(connection, fault, id: envelope.id, .legacy, as: .sentEventStream)
    }
    guard envelope.kind != .batch else {
      return answers.refuse(connection, GatewayError(.batchNotAllowed), id: nil, .legacy, as: .sentEventStream)
    }
    let kind = Arrival.Kind(envelope)
    let arrival = Arrival(kind: kind, transport: .eventStream, connection: connection, session: session)
    var isParked = false
    switch context.calls.judge(arrival, session.view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return answers.refuse(connection, error, id: envelope.id, .legacy, as: .sentEventStream)
    }
    answers.respond(
      connection, EventLoop.ReplyHead(202, "text/plain", headers: RawSpan()), ("Accepted" as StaticString).bytes,
      as: .sentEventStream)
    switch envelope.kind {
    case .request where envelope.method == .initialize:
      initialize(session, envelope, isParked: isParked)
    case .request: context.calls.serve(.eventStream, session, session.view, envelope, session.revision)
    case .notification: context.calls.messages.notified(session, envelope)
    case .result, .error: context.calls.reverse.clientResponded(session, envelope)
    case .batch, .invalid: break
    }
  }

  /// The handshake comes after the stream: what the client said is kept beside the session.
  private func initialize(_ session: Session, _ envelope: Envelope, isParked: Bool) {
    openings.shakeHands(session, envelope.requestedRevision, envelope)
    guard isParked else { return answer(envelope, session) }
    let message = envelope.message.array
    context.calls.faces.whenKnown(session.view) { [unowned self] in
      let envelopes = context.scanner
      answer(envelopes.scan(message.rawBytes), session)
    }
  }

  private func answer(_ envelope: Envelope, _ session: Session) {
    openings.writeResult(envelope, session)
    context.delivery.messages.emit(context.body.bytes(of: self), to: session)
  }
}
