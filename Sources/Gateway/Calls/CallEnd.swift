import MCP
import Reactor
import Wire

/// The last word of a call, to whoever asked.
extension Worker {
  /// The call ends with an error of the gateway's own.
  func fail(_ id: ExchangeID, _ failure: GatewayError) {
    guard let exchange = exchanges.find(id) else { return }
    if case .local(let call) = exchange.origin {
      finish(id)
      return call.complete(.failed(failure.cause ?? failure.phrase))
    }
    if case .carrying(let call, let link) = exchange.origin {
      finish(id)
      return on(call.worker) { $0.linkLost(call, link, failure.cause ?? failure.phrase) }
    }
    let era = exchange.clientRevision.era
    bodyScratch.clear()
    bodyScratch.buffer.append(failure, id: exchange.clientID.bytes(of: self), to: era)
    answer(id, status: UInt16(failure.answer(to: era).status), bodyBytes)
  }

  /// A result that the gateway has itself.
  func answer(_ id: ExchangeID, result: RawSpan) {
    bodyScratch.clear()
    bodyScratch.buffer.append(result: result, responseTo: exchanges[id].clientID.bytes(of: self))
    answer(id, status: 200, bodyBytes)
  }

  /// Sends the response and ends the exchange.
  func answer(_ id: ExchangeID, status: UInt16, _ message: RawSpan) {
    let exchange = exchanges[id]
    switch exchange.origin {
    case .post(let connection):
      switch exchange.answer {
      case .undecided:
        respond(connection, EventLoop.ReplyHead(status, "application/json", headers: RawSpan()), message)
        if case .link = exchange.carrier, loop.queued(connection) > settings.loopLimits.writeHighWater {
          noteUnread(connection, of: exchange.session)
        }
      case .stream(let number):
        writeEvent(id, message, last: true)
        endEvents(number, exchange.session, connection)
      case .passing:
        loop.abort(connection)
      }
    case .eventStream:
      if let session = exchange.session { emit(message, to: session) }
    case .socket(let reply):
      send(message, reply)
      finish(id)
      if gateway.isDraining { closeIfDrained(reply.connection) }
      return
    case .batch(let batch, let position):
      let bytes = message.array
      finish(id)
      return batch.complete(position, bytes, on: self)
    case .nobody:
      // Somebody may have come back for it by now.
      guard case .stream(let number) = exchange.answer else { break }
      writeEvent(id, message, last: true)
      endEvents(number, exchange.session, nil)
    case .renewal(let renewal):
      let envelopes = EnvelopeScanner()
      let envelope = envelopes.scan(message)
      let isRefused = envelope.kind == .error
      finish(id)
      return renewed(renewal, !isRefused)
    case .local, .free, .carrying, .notice:
      break
    }
    finish(id)
  }

  /// The response was the stream's last event: its reader, wherever it is by now, is told so.
  private func endEvents(_ number: EventLog.StreamNumber, _ session: Session?, _ mine: ConnectionID?) {
    guard number != 0, let session else {
      if let mine { loop.endStream(mine) }
      return
    }
    let now = now
    let reader = session.withState { state in
      let reader = state.log.reader(of: number)
      state.log.finish(number, now: now)
      return reader
    }
    guard let reader else { return }
    if reader == mine {
      loop.endStream(reader)
    } else {
      delivery.hand(.endReading(reader, of: session), to: reader.worker)
    }
  }

  /// Frees an exchange and what was asked in its course.
  func finish(_ id: ExchangeID) {
    guard let exchange = exchanges.find(id) else { return }
    if !exchange.subscribing.isEmpty { forgetSubscription(exchange) }
    exchange.session?.callEnded()
    if let reader = exchange.reader { giveBack(reader) }
    switch exchange.carrier {
    case .link(let link): linkCallEnded(link, id)
    case .embedded: demonstration.cancelled(id.rawValue)
    case .none, .connection: break
    }
    uncount(id)
    _ = unpark(exchange)
    exchanges.remove(id)
    withdrawReverses(of: id)
  }

  /// Its upstream has one call less in flight.
  func uncount(_ id: ExchangeID) {
    let exchange = exchanges[id]
    guard let stake = exchange.stake else { return }
    if exchange.isAside { stake.asidesInFlight -= 1 } else { stake.callsInFlight -= 1 }
    exchange.stake = nil
  }

  // MARK: Endings that are not answers

  /// The client's connection is gone while its call runs.
  func clientGone(_ id: ExchangeID) {
    guard let exchange = exchanges.find(id), case .post(let connection) = exchange.origin else { return }
    if exchange.clientRevision.era == .modern {
      cancelUpstream(id, reason: "the client closed its connection")
      return finish(id)
    }
    // A legacy client that goes away has not cancelled: its call goes on, and what its stream missed is kept [6.1].
    exchange.origin = .nobody
    let now = now
    exchange.deadline = min(exchange.deadline, now + settings.resumeWindow)
    resumeSource(of: id)
    if case .passing = exchange.answer {
      if let number = exchange.reader?.passedEvent { endPassedEvent(id, number) }
      cancelUpstream(id, reason: "the client closed its connection")
      return finish(id)
    }
    if let session = exchange.session, case .stream = exchange.answer {
      _ = session.withState { $0.log.detach(connection, now: now) }
    }
  }

  func timeOut(_ id: ExchangeID) {
    let exchange = exchanges[id]
    cancelUpstream(id, reason: "timed out")
    guard let cluster = exchange.cluster else {
      if case .local(let call) = exchange.origin {
        finish(id)
        return call.complete(.failed("timed out"))
      }
      // Something that the gateway itself answers, which waits for others.
      return exchange.isClients ? fail(id, .internalError("what it needs took too long")) : finish(id)
    }
    fail(id, .timedOut(cluster, milliseconds: now - exchange.startedAt))
  }

  /// Tells the upstream that nobody waits for the answer any more.
  func cancelUpstream(_ id: ExchangeID, reason: StaticString) {
    let exchange = exchanges[id]
    guard exchange.method != .initialize, exchange.parked == nil, !exchange.isNotice else { return }
    bodyScratch.clear()
    bodyScratch.buffer.append(cancelled: id.rawValue, reason: reason)
    switch exchange.carrier {
    case .link(let link):
      sendLink(link, bodyBytes, nil)
      linkCallEnded(link, id)
    case .embedded:
      demonstration.cancelled(id.rawValue)
    case .connection(let connection):
      loop.abort(connection)
      guard exchange.serverRevision.era == .legacy, let open = exchange.opened, let cluster = exchange.cluster else {
        break
      }
      postAside(bodyBytes, cluster, open)
    case .none:
      break
    }
    exchange.carrier = .none
  }

  /// An exchange for a message that is no call. A server that asks much and takes no answers uses up what it may have in
  /// flight itself: then nil, and what it should have been told is lost.
  func makeAside(_ cluster: Cluster) -> ExchangeID? {
    let stake = stake(in: cluster)
    guard stake.asidesInFlight < settings.callsPerUpstream, let id = exchanges.make(.nobody) else { return nil }
    stake.asidesInFlight += 1
    exchanges[id].stake = stake
    exchanges[id].isAside = true
    return id
  }

  /// POSTs a notification or a response of ours to a legacy upstream; what it answers does not matter.
  func postAside(_ message: RawSpan, _ cluster: Cluster, _ open: UpstreamSession.Open) {
    if let link = open.link { return sendLink(link, message, nil) }
    if cluster.isEmbedded { return answerEmbedded(message) }
    guard let id = makeAside(cluster) else { return }
    let exchange = exchanges[id]
    exchange.cluster = cluster
    exchange.startedAt = now
    exchange.deadline = now + 10_000
    exchange.decideAt = .max
    armSweep()
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.requestHead)
    appendSession(open)
    headScratch.buffer.append(contentLength: message.byteCount)
    headScratch.buffer.appendHeadEnd()
    post(exchange, message, cluster)
  }
}
