import Catalogue
import Delivery
import MCP
import OpenCalls
import Reactor
import ServedCatalogue
import SessionStore
import Sessions
import Translation
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// What a server asks of a client in the course of a call (sampling, elicitation, roots), and the client's answers.
public final class ReverseRequests {
  private let context: CallsContext
  private let worker: WorkerContext
  private let loop: EventLoop
  private let body: Scratch
  private let shared: CallsShared
  private let sessions: SessionsShared
  private let messages: UpstreamMessages
  private let open: OpenCalls

  init(_ context: CallsContext, _ open: OpenCalls) {
    self.context = context
    worker = context.worker
    loop = context.loop
    body = context.body
    shared = context.shared
    sessions = context.sessions
    messages = context.upstream.messages
    self.open = open
  }

  /// A server's request in the course of a call.
  func receive(_ call: Call, _ request: UpstreamRequest, _ envelope: Envelope) {
    guard let upstreamID = envelope.id else { return }
    if envelope.method == .ping { return messages.answer(envelope, in: request, result: "{}") }
    let fault = ServerTranslation.fault(
      envelope, upstream: call.serverRevision, client: call.clientRevision,
      capabilities: call.session?.abilities ?? [])
    if let fault {
      noteLack(envelope, call)
      return messages.refuse(envelope, in: request, code: fault.answer(to: .legacy).code, fault.phrase)
    }
    guard !isAmongSeveral(envelope, call.looksAtAll ? .all : .only(upstream: call.server)) else {
      let refusal = GatewayError.amongSeveral(envelope.methodName.text, "this server for clients that know it")
      return messages.refuse(envelope, in: request, code: -32601, refusal.phrase)
    }
    guard let session = call.session, let cluster = request.cluster else { return }
    let entry = Reverse(
      session: session, upstreamID: Token(upstreamID), opened: request.opened, cluster: cluster, call: call.id)
    guard let reverse = open.reverses.make(entry) else {
      return messages.refuse(envelope, in: request, code: -32603, "the gateway has too many open requests")
    }
    Elicitations.note(envelope, of: call, request, now: loop.now)
    // A human may be asked: the call gets the time that takes.
    call.extend(to: loop.now + worker.settings.interactionTimeout)
    var message = ByteBuffer(capacity: envelope.message.byteCount + 32)
    worker.splice.reset()
    if let place = envelope.idSlice { worker.splice.replace(place, withDecimal: reverse.rawValue) }
    guard worker.splice.write(envelope.message, into: &message) else { return }
    open.notify(call, message.bytes)
  }

  /// The same where nothing says that it belongs to the request.
  /// - Parameter isGuess: the server may work on another one, so that the end of this one is not the end of it.
  func asked(_ question: RawSpan, in request: UpstreamRequest, isGuess: Bool) {
    guard let call = open.find(request) else { return }
    let envelopes = worker.answerScanner
    let envelope = envelopes.scan(question, depth: worker.limits.depth)
    let id = call.id
    receive(call, request, envelope)
    if isGuess, let token = envelope.id { open.reverses.loosen(token, from: id) }
  }

  /// A modern client's call may fail for what its client has not declared: then the client is to be told that.
  private func noteLack(_ envelope: Envelope, _ call: Call) {
    guard call.clientRevision.era == .modern, let needed = ServerTranslation.needs(envelope) else { return }
    call.lacking.formUnion(needed.subtracting(call.abilities))
  }

  /// A client POSTed a response. Unknown ones are dropped, as are those of a session that was not asked.
  public func clientResponded(_ session: Session, _ envelope: Envelope) {
    guard let token = envelope.id, let id = ReverseID(token: token), let place = envelope.idSlice else { return }
    if id.worker == context.index { return relay(id, session, envelope.message, place) }
    guard id.worker < shared.group.loopCount else { return passBack(envelope.message, of: session) }
    context.send(.responded(id, session, envelope.message.array, place), to: id.worker)
  }

  /// A client's response to what this loop has asked.
  func relay(_ id: ReverseID, _ session: Session, _ message: RawSpan, _ place: Slice) {
    guard let entry = open.reverses.take(id, from: session) else { return passBack(message, of: session) }
    open.find(entry.call)?.extend(to: loop.now + worker.limits.callTimeout)
    guard let opened = entry.opened else { return }
    worker.splice.reset()
    worker.splice.replace(place) { entry.upstreamID.append(to: &$0) }
    body.clear()
    guard worker.splice.write(message, into: &body.buffer, flatten: true) else { return }
    messages.tell(body.bytes(of: self), entry.cluster, opened)
  }

  /// What a client says may be for the process whose place this one takes, which has asked it.
  func passBack(_ message: RawSpan, of session: Session) {
    guard let relay = sessions.predecessor.relay, session.transport == .streamableHTTP,
      message.byteCount <= SessionRecord.largestEvent
    else { return }
    relay.add(SessionRecord(session.id, .reply(message.array)))
  }

  /// The upstream cancelled a request of its own.
  func cancel(of id: CallID, _ envelope: Envelope) {
    guard let requestID = envelope.value(Param.requestID) else { return }
    let token = requestID.array
    let withdrawn = open.reverses.takeAll { $0.call == id && $0.upstreamID.equals(token.rawBytes) }
    for (reverse, entry) in withdrawn {
      let message = OpenCalls.withdrawal(of: reverse)
      if let call = open.find(entry.call) {
        open.notify(call, message.bytes)
      } else {
        context.delivery.messages.emit(message.bytes, to: entry.session)
      }
    }
  }

  /// Whether a server's request of a method that no revision has can't be put to a client that looks at several servers.
  func isAmongSeveral(_ envelope: Envelope, _ view: CatalogueView) -> Bool {
    envelope.method == .other && sessions.shelf.catalogue(of: .modern).onlyServer(in: view) == nil
  }
}
