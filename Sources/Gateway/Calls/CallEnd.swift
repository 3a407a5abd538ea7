import MCP
import Reactor
import Wire

/// The last word of a call, to whoever asked, and its end.
extension Worker {
  /// The call ends with an error of the gateway's own.
  func fail(_ call: Call, _ failure: GatewayError) {
    let era = call.clientRevision.era
    bodyScratch.clear()
    bodyScratch.buffer.append(failure, id: call.clientID.bytes(of: call), to: era)
    answer(call, status: UInt16(failure.answer(to: era).status), bodyBytes, .failed(failure.kind))
  }

  /// A result that the gateway has itself.
  func answer(_ call: Call, result: RawSpan) {
    bodyScratch.clear()
    bodyScratch.buffer.append(result: result, responseTo: call.clientID.bytes(of: call))
    answer(call, status: 200, bodyBytes, .answered)
  }

  /// Sends the response and ends the call.
  func answer(_ call: Call, status: UInt16, _ message: RawSpan, _ ending: CallOutcome.Ending) {
    switch call.origin {
    case .post(let connection):
      answerPost(call, connection, status: status, message)
    case .eventStream:
      if let session = call.session { emit(message, to: session) }
    case .socket(let reply):
      send(message, reply)
      end(call, ending)
      if gateway.isDraining { closeIfDrained(reply.connection) }
      return
    case .batch(let batch, let position):
      let bytes = message.array
      end(call, ending)
      return batch.complete(position, bytes, on: self)
    case .renewal(let renewal):
      end(call, ending)
      if case .answered = ending { return renewed(renewal, true) }
      return renewed(renewal, false)
    case .free:
      break
    }
    end(call, ending)
  }

  private func answerPost(_ call: Call, _ connection: ConnectionID, status: UInt16, _ message: RawSpan) {
    switch call.answer.answered() {
    case .whole:
      respond(connection, EventLoop.ReplyHead(status, "application/json", headers: RawSpan()), message)
      // What comes over a link is read on, whoever waits.
      if call.isOnLink, loop.queued(connection) > settings.loopLimits.writeHighWater {
        noteUnread(connection, of: call.session)
      }
    case .lastEvent(let stream):
      writeEvent(call, message, last: true)
      // Somebody else may have come back for it by now.
      endEvents(stream, call.session, call.answer.hasLeft ? nil : connection)
    case .abort(let stream):
      loop.abort(connection)
      if let stream { endPassedEvent(of: call, stream) }
    case .drop:
      break
    }
  }

  /// The response was the stream's last event: its reader, wherever it is by now, is told so.
  private func endEvents(_ stream: AnswerState.Stream, _ session: Session?, _ mine: ConnectionID?) {
    guard stream != 0, let session else {
      if let mine { loop.endStream(mine) }
      return
    }
    let now = now
    let reader = session.withState { state in
      let reader = state.log.reader(of: stream)
      state.log.finish(stream, now: now)
      return reader
    }
    guard let reader else { return }
    if reader == mine {
      loop.endStream(reader)
    } else {
      delivery.hand(.endReading(reader, of: session), to: reader.worker)
    }
  }

  /// Frees a call, with what it has under way upstream and what was asked in its course. Every call ends here.
  func end(_ call: Call, _ ending: CallOutcome.Ending) {
    if case .answered = ending {} else { note(ending, of: call) }
    call.session?.callEnded()
    if let request = call.request.take() { requests.end(request) }
    let id = call.id
    calls.release(call)
    if !reverses.isEmpty { withdrawReverses(of: id) }
  }

  /// A call came to nothing.
  private func note(_ ending: CallOutcome.Ending, of call: Call) {
    if !call.subscribing.isEmpty { forgetSubscription(call) }
    guard logger.logLevel <= .debug else { return }
    let outcome = CallOutcome(
      ending: ending, method: call.method, server: call.request?.cluster?.alias,
      wasSent: call.request?.state.isKnownUpstream ?? false, milliseconds: now - call.startedAt)
    logger.debug("\(outcome)")
  }

  // MARK: Ends that are not answers

  /// The client's connection is gone while its call runs.
  func clientGone(_ id: CallID) {
    guard let call = calls.find(id), case .post(let connection) = call.origin, !call.answer.hasLeft else { return }
    let departure = call.answer.clientGone(mayReturn: call.clientRevision.era == .legacy)
    switch departure {
    case .cancel(let stream):
      if let stream { endPassedEvent(of: call, stream) }
      cancelUpstream(call, reason: "the client closed its connection")
      end(call, .abandoned)
    case .keep(let stream):
      // A legacy client that goes away has not cancelled: its call goes on, and what its stream missed is kept [6.1].
      let now = now
      call.extend(to: min(call.deadline, now + settings.resumeWindow))
      resumeSource(of: call)
      if stream != nil, let session = call.session { _ = session.withState { $0.log.detach(connection, now: now) } }
    }
  }

  func timeOut(_ call: Call) {
    cancelUpstream(call, reason: "timed out")
    guard let cluster = call.request?.cluster else {
      // Something that the gateway itself answers, which waits for others.
      return fail(call, .internalError("what it needs took too long"))
    }
    fail(call, .timedOut(cluster, milliseconds: now - call.startedAt))
  }

  /// The client cancelled: the upstream is told, and the POST ends with an error so that nothing waits for it [6.1].
  func cancelByClient(_ call: Call) {
    cancelUpstream(call, reason: "the client cancelled")
    fail(call, GatewayError(.cancelled))
  }

  /// The same where nothing answers it.
  func withdraw(_ call: Call) {
    cancelUpstream(call, reason: "the client cancelled")
    end(call, .withdrawn)
  }

  /// Its client is gone for good.
  func abandon(_ call: Call, reason: StaticString) {
    cancelUpstream(call, reason: reason)
    end(call, .abandoned)
  }

  /// Tells the upstream that nobody waits for the answer any more.
  func cancelUpstream(_ call: Call, reason: StaticString) {
    if let request = call.request { requests.cancel(request, reason: reason) }
  }
}
