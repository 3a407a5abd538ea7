import Calls
import Catalogue
import Delivery
import MCP
import OpenCalls
import Reactor
import Sessions
import Wire
import Workers

/// Streamable HTTP: of 2025-03-26 to 2025-11-25, with sessions that open with `initialize`, and of 2026-07-28, which an endpoint
/// serves as well: what a request says of itself decides.
final class StreamableHTTPFront {
  private let context: FrontContext
  private let answers: HTTPAnswers
  private let calls: Calls
  private let loop: EventLoop
  private let scanner: EnvelopeScanner
  private let head: Scratch
  private let openings: SessionOpenings
  private let tickets: SessionTickets
  private let streams: SessionStreamFront
  private let stateless: StatelessHTTPFront

  init(_ context: FrontContext, _ openings: SessionOpenings, _ tickets: SessionTickets) {
    self.context = context
    loop = context.loop
    scanner = context.scanner
    head = context.head
    answers = context.answers
    calls = context.calls
    self.openings = openings
    self.tickets = tickets
    streams = SessionStreamFront(context, tickets)
    stateless = StatelessHTTPFront(context)
  }

  func serve(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ body: RawSpan
  ) {
    guard head.method == .post else {
      switch Inbound.classify(head) {
      case .stream: return streams.open(connection, view, head)
      case .terminate: return tickets.terminate(connection, view, head)
      case .reject(let error): return answers.refuse(connection, error, id: nil, .legacy)
      default: return answers.refuse(connection, GatewayError(.methodNotAllowed), id: nil, .legacy)
      }
    }
    let envelopes = scanner
    let envelope = envelopes.scan(body, depth: context.settings.depth)
    switch Inbound.classify(head, envelope, scratch: &self.head.buffer) {
    case .modern:
      stateless.serve(connection, view, head, envelope)
    case .modernNotification(let method):
      guard context.admits(.notification, .post(connection), .streamableHTTP, nil, id: nil, .modern) else { return }
      answers.accept(connection)
      guard method == .other else { return }
      calls.passNotification(
        nil, view, envelope, .r20260728, from: context.worker.party(of: connection),
        mirrored: MirroredLine.ofOther(head))
    case .legacyInitialize(let revision):
      initialize(connection, view, head, envelope, revision)
    case .legacyRequest, .legacyNotification, .legacyResponse, .legacyBatch:
      serveSession(connection, view, head, envelope)
    case .stream, .terminate:
      answers.refuse(connection, GatewayError(.methodNotAllowed), id: nil, .legacy)
    case .reject(let error):
      let modern = envelope.value(MetaKey.protocolVersion) != nil
      answers.refuse(connection, error, id: envelope.answerableID(error), modern ? .modern : .legacy)
    }
  }

  // MARK: Sessions

  /// Opens a session and answers with what the servers behind this path offer together.
  private func initialize(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope,
    _ revision: Revision
  ) {
    let arrival = Arrival(kind: .opening, transport: .streamableHTTP, connection: connection, session: nil)
    var isParked = false
    switch calls.judge(arrival, view) {
    case .admit: break
    case .park: isParked = true
    case .refuse(let error): return answers.refuse(connection, error, id: envelope.id, .legacy)
    }
    let known = head.header(.mcpSessionID)
    var former: Session?
    if let known {
      // A second one in the same session. What it settles has to be in the id, from which every process reads it, so the
      // client gets another session, and the one that it had ends: once it has the other.
      former = tickets.session(known, of: connection, view, id: envelope.id)
      guard former != nil else { return }
    }
    guard let session = openings.make(for: context.worker.party(of: connection), view, envelope, revision) else {
      return answers.refuse(connection, Admission.sessionLimit, id: envelope.id, .legacy)
    }
    if let former, let known { tickets.terminate(former, known) }
    guard isParked else {
      return opened(connection, session, envelope) { tickets.append(ticketOf: session, to: &$0) }
    }
    let message = envelope.message.array
    calls.faces.whenKnown(view) { [unowned self] in
      let envelopes = context.scanner
      opened(connection, session, envelopes.scan(message.rawBytes)) { tickets.append(ticketOf: session, to: &$0) }
    }
  }

  private func opened(
    _ connection: ConnectionID, _ session: Session, _ envelope: Envelope, _ appendID: (inout ByteBuffer) -> Void
  ) {
    openings.writeResult(envelope, session)
    context.head.buffer.clear()
    context.head.buffer.append("Mcp-Session-Id: ")
    appendID(&context.head.buffer)
    context.head.buffer.append("\r\n")
    answers.respond(
      connection, EventLoop.ReplyHead(200, "application/json", headers: context.head.bytes(of: self)),
      context.body.bytes(of: self))
  }

  private func serveSession(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope
  ) {
    guard let text = head.header(.mcpSessionID) else {
      return answers.refuse(connection, GatewayError(.sessionMissing), id: envelope.id, .legacy)
    }
    guard let session = tickets.session(text, of: connection, view, id: envelope.id) else { return }
    let kind = Arrival.Kind(envelope)
    guard context.admits(kind, .post(connection), .streamableHTTP, session, id: envelope.id, .legacy) else { return }
    session.touch(now: loop.now)
    switch envelope.kind {
    case .request:
      calls.serve(.post(connection), session, session.view, envelope, session.revision)
    case .notification:
      answers.accept(connection)
      calls.messages.notified(session, envelope)
    case .result, .error:
      answers.accept(connection)
      calls.reverse.clientResponded(session, envelope)
    case .batch:
      calls.messages.serveBatch(.post(connection), session, envelope.message, over: .streamableHTTP)
    case .invalid:
      break
    }
  }
}
