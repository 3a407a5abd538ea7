import MCP
import Reactor
import Wire

/// What a server asks of a client in the course of a call (sampling, elicitation, roots), and the client's answers.
extension Worker {
  /// A server's request in the course of a call.
  func receiveRequest(_ call: Call, _ request: UpstreamRequest, _ envelope: Envelope) {
    guard let upstreamID = envelope.id else { return }
    let messages = upstream.messages
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
    guard let reverse = reverses.make(entry) else {
      return messages.refuse(envelope, in: request, code: -32603, "the gateway has too many open requests")
    }
    noteElicitation(envelope, of: call, request)
    // A human may be asked: the call gets the time that takes.
    call.extend(to: now + settings.interactionTimeout)
    var message = ByteBuffer(capacity: envelope.message.byteCount + 32)
    splice.reset()
    if let place = envelope.idSlice { splice.replace(place, withDecimal: reverse.rawValue) }
    guard splice.write(envelope.message, into: &message) else { return }
    forwardNotification(call, message.bytes)
  }

  /// A modern client's call may fail for what its client has not declared: then the client is to be told that.
  private func noteLack(_ envelope: Envelope, _ call: Call) {
    guard call.clientRevision.era == .modern, let needed = ServerTranslation.needs(envelope) else { return }
    call.lacking.formUnion(needed.subtracting(call.abilities))
  }

  /// A client POSTed a response. Unknown ones are dropped, as are those of a session that was not asked.
  func clientResponded(_ session: Session, _ envelope: Envelope) {
    guard let token = envelope.id, let id = ReverseID(token: token), let place = envelope.idSlice else { return }
    if id.worker == index { return relay(id, session, envelope.message, place) }
    guard id.worker < gateway.loopCount else { return passBack(envelope.message, of: session) }
    let message = envelope.message.array
    gateway.post(to: id.worker) { $0.relay(id, session, message.rawBytes, place) }
  }

  private func relay(_ id: ReverseID, _ session: Session, _ message: RawSpan, _ place: Slice) {
    guard let entry = reverses.take(id, from: session) else { return passBack(message, of: session) }
    calls.find(entry.call)?.extend(to: now + settings.callTimeout)
    guard let open = entry.opened else { return }
    splice.reset()
    splice.replace(place) { entry.upstreamID.append(to: &$0) }
    bodyScratch.clear()
    guard splice.write(message, into: &bodyScratch.buffer, flatten: true) else { return }
    upstream.messages.tell(bodyBytes, entry.cluster, open)
  }

  /// What a client says may be for the process whose place this one takes, which has asked it.
  func passBack(_ message: RawSpan, of session: Session) {
    guard let relay = gateway.predecessor.relay, session.transport == .streamableHTTP,
      message.byteCount <= SessionRecord.largestEvent
    else { return }
    relay.add(SessionRecord(session.id, .reply(message.array)))
  }

  /// The call is over: the client need not answer any more what was asked for it [21.2].
  func withdrawReverses(of id: CallID) {
    for (reverse, entry) in reverses.takeAll(where: { $0.call == id && !$0.outlivesCall }) {
      tellWithdrawn(reverse, entry)
    }
  }

  /// The upstream cancelled a request of its own.
  func cancelReverse(of id: CallID, _ envelope: Envelope) {
    guard let requestID = envelope.value(Param.requestID) else { return }
    let token = requestID.array
    let withdrawn = reverses.takeAll { $0.call == id && $0.upstreamID.equals(token.rawBytes) }
    for (reverse, entry) in withdrawn { tellWithdrawn(reverse, entry) }
  }

  func tellWithdrawn(_ reverse: ReverseID, _ entry: Reverse) {
    var message = ByteBuffer(capacity: 96)
    message.append(cancelled: reverse.rawValue)
    if let call = calls.find(entry.call) {
      forwardNotification(call, message.bytes)
    } else {
      emit(message.bytes, to: entry.session)
    }
  }
}
