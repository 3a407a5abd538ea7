import MCP
import Reactor
import Wire

/// What a server asks of a client in the course of a call (sampling, elicitation, roots), and the client's answers.
extension Worker {
  /// A server's request on the stream of a call: there is no doubt whose call it belongs to.
  func receiveRequest(_ id: ExchangeID, _ envelope: Envelope) {
    let exchange = exchanges[id]
    guard let upstreamID = envelope.id else { return }
    if envelope.method == .ping { return answerUpstream(exchange, result: "{}", to: upstreamID) }
    let fault = ServerTranslation.fault(
      envelope, upstream: exchange.serverRevision, client: exchange.clientRevision,
      capabilities: exchange.session?.abilities ?? [])
    if let fault {
      noteLack(envelope, exchange)
      return answerUpstream(exchange, envelope, code: fault.answer(to: .legacy).code, fault.phrase)
    }
    guard !isAmongSeveral(envelope, exchange.looksAtAll ? .all : .only(upstream: exchange.cluster?.number ?? 0)) else {
      let refusal = GatewayError.amongSeveral(envelope.methodName.text, "this server for clients that know it")
      return answerUpstream(exchange, envelope, code: -32601, refusal.phrase)
    }
    guard let session = exchange.session, let cluster = exchange.cluster else { return }
    let entry = Reverse(
      session: session, upstreamID: Token(upstreamID), binding: exchange.binding, opened: exchange.opened,
      cluster: cluster, exchange: id)
    guard let reverse = reverses.make(entry) else {
      return answerUpstream(exchange, envelope, code: -32603, "the gateway has too many open requests")
    }
    noteElicitation(envelope, of: exchange)
    // A human may be asked: the call gets the time that takes.
    exchanges[id].deadline = now + settings.interactionTimeout
    var message = ByteBuffer(capacity: envelope.message.byteCount + 32)
    splice.reset()
    if let place = envelope.idSlice { splice.replace(place, withDecimal: reverse.rawValue) }
    guard splice.write(envelope.message, into: &message) else { return }
    forwardNotification(id, message.bytes)
  }

  /// A modern client's call may fail for what its client has not declared: then the client is to be told that.
  private func noteLack(_ envelope: Envelope, _ exchange: Exchange) {
    guard exchange.clientRevision.era == .modern, let needed = ServerTranslation.needs(envelope) else { return }
    exchange.lacking.formUnion(needed.subtracting(exchange.abilities))
  }

  /// A client POSTed a response. Unknown ones are dropped, as are those of a session that was not asked.
  func clientResponded(_ session: Session, _ envelope: Envelope) {
    guard let token = envelope.id, let id = ExchangeID(token: token), let place = envelope.idSlice else { return }
    if id.worker == index { return relay(id, session, envelope.message, place) }
    guard id.worker < gateway.loopCount else { return passBack(envelope.message, of: session) }
    let message = envelope.message.array
    gateway.post(to: id.worker) { $0.relay(id, session, message.rawBytes, place) }
  }

  private func relay(_ id: ExchangeID, _ session: Session, _ message: RawSpan, _ place: Slice) {
    guard let entry = reverses.take(id, from: session) else { return passBack(message, of: session) }
    if exchanges.contains(entry.exchange) { exchanges[entry.exchange].deadline = now + settings.callTimeout }
    guard let open = entry.opened else { return }
    splice.reset()
    splice.replace(place) { entry.upstreamID.append(to: &$0) }
    bodyScratch.clear()
    guard splice.write(message, into: &bodyScratch.buffer, flatten: true) else { return }
    postAside(bodyBytes, entry.cluster, open)
  }

  /// What a client says may be for the process whose place this one takes, which has asked it.
  func passBack(_ message: RawSpan, of session: Session) {
    guard let relay = gateway.predecessor.relay, session.transport == .streamableHTTP,
      message.byteCount <= SessionRecord.largestEvent
    else { return }
    relay.add(SessionRecord(session.id, .reply(message.array)))
  }

  /// The call is over: the client need not answer any more what was asked for it [21.2].
  func withdrawReverses(of id: ExchangeID) {
    for (reverse, entry) in reverses.takeAll(where: { $0.exchange == id && !$0.outlivesCall }) {
      tellWithdrawn(reverse, entry)
    }
  }

  /// The upstream cancelled a request of its own.
  func cancelReverse(of id: ExchangeID, _ envelope: Envelope) {
    guard let requestID = envelope.value(Param.requestID) else { return }
    let token = requestID.array
    let withdrawn = reverses.takeAll { $0.exchange == id && $0.upstreamID.equals(token.rawBytes) }
    for (reverse, entry) in withdrawn { tellWithdrawn(reverse, entry) }
  }

  func tellWithdrawn(_ reverse: ExchangeID, _ entry: Reverse) {
    var message = ByteBuffer(capacity: 96)
    message.append(cancelled: reverse.rawValue)
    if exchanges.contains(entry.exchange) {
      forwardNotification(entry.exchange, message.bytes)
    } else {
      emit(message.bytes, to: entry.session)
    }
  }

  // MARK: Our own answers to upstreams

  /// The conversation that an exchange belongs to. While `initialize` is being answered it has no revision yet, but it may
  /// have its name, and the server may ask things.
  private func conversation(of exchange: Exchange) -> UpstreamSession.Open? {
    if let open = exchange.opened { return open }
    guard exchange.method == .initialize, let reader = exchange.reader else { return nil }
    return UpstreamSession.Open(revision: .r20250326, httpSession: reader.httpSession, link: nil)
  }

  func answerUpstream(_ exchange: Exchange, _ envelope: Envelope, code: Int, _ message: String) {
    guard let id = envelope.id, let open = conversation(of: exchange), let cluster = exchange.cluster else { return }
    refuseUpstream(id, cluster, open, code: code, message)
  }

  func refuseUpstream(
    _ id: RawSpan, _ cluster: Cluster, _ open: UpstreamSession.Open, code: Int, _ message: String
  ) {
    var body = ByteBuffer(capacity: 160)
    body.append(errorCode: code, message, responseTo: id)
    postAside(body.bytes, cluster, open)
  }

  func answerUpstream(_ exchange: Exchange, result: StaticString, to id: RawSpan) {
    guard let open = conversation(of: exchange), let cluster = exchange.cluster else { return }
    resultUpstream(result, id, cluster, open)
  }

  func resultUpstream(_ result: StaticString, _ id: RawSpan, _ cluster: Cluster, _ open: UpstreamSession.Open) {
    var body = ByteBuffer(capacity: 96)
    body.append(result: result.bytes, responseTo: id)
    postAside(body.bytes, cluster, open)
  }
}
