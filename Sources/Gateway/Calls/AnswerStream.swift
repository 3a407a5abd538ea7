import MCP
import Reactor
import Wire

/// What the client of a call gets before its response, and responses that are too large to be kept.
extension Worker {
  /// Writes a message on the stream of its call, which becomes one if it had not begun.
  func forwardNotification(_ call: Call, _ message: RawSpan) {
    switch call.origin {
    case .post(let connection):
      if case .openStream = call.answer.notified() { beginEvents(call, connection) }
      writeEvent(call, message)
    case .eventStream:
      guard let session = call.session else { return }
      emit(message, to: session)
    case .socket(let reply):
      send(message, SocketReply(connection: reply.connection, isBinary: false), source: call.id)
    case .batch(let batch, _):
      batch.notify(message, on: self)
    case .free, .renewal:
      break
    }
  }

  /// Turns an undecided answer into an event stream.
  private func beginEvents(_ call: Call, _ connection: ConnectionID) {
    call.decideAt = .max
    beginAnswer(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
    loop.heartbeat(connection, milliseconds: settings.heartbeat, gateway.heartbeatFrame)
    guard let session = call.session, call.clientRevision.era == .legacy else { return call.answer.began(0) }
    let retry = call.clientRevision.hasPriming ? usualRetry() : nil
    let gateway = gateway
    let (number, frame) = session.withState { state in
      let number = state.log.open(.answer, connection)
      guard let retry else { return (number, nil as Frame?) }
      defer { gateway.tell(of: number, in: state, session) }
      return (number, state.log.prime(number, retry: retry))
    }
    call.answer.began(number)
    if let frame { loop.writeStream(connection, frame) }
  }

  /// After a second without a word the answer becomes an event stream, so that no proxy in between gives up on it. Where
  /// the HTTP status is still to tell what the client lacks, that waits longer.
  func decideForEvents(_ call: Call) {
    if mayLackCapability(call), now < call.startedAt + settings.undecidedTime {
      call.decideAt = call.startedAt + settings.undecidedTime
      return
    }
    call.decideAt = .max
    guard case .post(let connection) = call.origin, case .openStream = call.answer.notified() else { return }
    if let reader = call.request?.reader {
      if reader.mode == .json, reader.status != 0 { return }
      if !reader.collected.isEmpty {
        // A message is coming in, perhaps the response: clients take a large one as JSON, but not as one event.
        call.decideAt = now + Call.decisionDelay
        return
      }
    }
    beginEvents(call, connection)
    if !call.clientRevision.hasPriming { writeFirstByte(connection) }
  }

  /// Whether the call may yet end with -32021, which is to be HTTP 400 [3]: its client is modern and lacks something, of
  /// which a legacy server was told that clients have it. A modern one that answers in events has decided for itself.
  private func mayLackCapability(_ call: Call) -> Bool {
    guard call.clientRevision.era == .modern, call.method.allowsInputRequired else { return false }
    let told: ClientCapabilities
    if call.serverRevision.era == .legacy {
      told = call.request?.session?.abilities ?? []
    } else {
      told = call.request?.reader?.mode == .events ? [] : .relayable
    }
    return !told.intersection(.askable).isSubset(of: call.abilities)
  }

  func writeEvent(_ call: Call, _ message: RawSpan, last: Bool = false) {
    guard let stream = call.answer.stream else { return }
    guard stream == 0 else {
      let frame = EventLog.encode(message)
      guard let session = call.session,
        let delivery = gateway.append(frame, to: stream, of: session, last: last)
      else { return }
      return perform(delivery, session: session, source: call.id)
    }
    guard case .post(let connection) = call.origin, !call.answer.hasLeft else { return }
    var event = ByteBuffer(capacity: message.byteCount + 32)
    event.append(event: message)
    guard loop.writeStream(connection, event.bytes) == .full, !pauseSource(of: call) else { return }
    // After the last event nothing more comes, and whoever sends it ends the call.
    guard !last, loop.queued(connection) > settings.eventBacklog + event.count else {
      return noteUnread(connection, of: call.session)
    }
    // A child is shared and can't be paused for one slow reader, and a modern stream can't be resumed.
    loop.abort(connection)
    clientGone(call.id)
  }

  // MARK: Sources

  /// Stops reading what comes for a call until the client has taken what there is. False if its source can't be paused.
  func pauseSource(of id: CallID) -> Bool { calls.find(id).map(pauseSource) ?? false }

  private func pauseSource(of call: Call) -> Bool {
    guard let request = call.request else { return false }
    return requests.pause(request)
  }

  func resumeSource(of call: Call) {
    if let request = call.request { requests.resume(request) }
  }

  /// A client has taken what there was of its calls.
  func resumeSources(of ids: [CallID]) {
    for id in ids {
      if let call = calls.find(id) { resumeSource(of: call) }
    }
  }

  // MARK: Large results

  func passage(of request: UpstreamRequest, collected: Int) -> ResultPassage {
    guard let call = call(of: request), case .post = call.origin, call.lacking.isEmpty,
      !ResponseTranslation.needsWhole(call.hop)
    else { return .collect(until: .max) }
    switch call.answer.large(collected, replay: settings.configuration.sessions.replay) {
    case .never: return .collect(until: .max)
    case .collect(let size): return .collect(until: size)
    case .pass(let stream):
      var edits = ResponseEdits()
      let identity = gateway.identityObject
      ResponseTranslation.streamed(
        call.hop, id: call.clientID.bytes(of: call), serverInfo: identity.rawBytes, edits: &edits)
      edits.flatten = stream != nil
      return .pass(ResponseRewriter(edits, depth: settings.depth))
    }
  }

  func beginPassing(_ request: UpstreamRequest) -> Bool {
    guard let call = call(of: request), case .post(let connection) = call.origin else { return false }
    if let stream = call.answer.stream {
      guard beginPassedEvent(of: call, stream, connection) else { return false }
    } else {
      beginAnswer(connection, EventLoop.ReplyHead(200, "application/json", headers: RawSpan()))
    }
    call.answer.passes()
    return true
  }

  /// Writes the start of an event that is too large to be kept. False if its stream is read elsewhere by now.
  private func beginPassedEvent(of call: Call, _ stream: AnswerState.Stream, _ connection: ConnectionID) -> Bool {
    var start = ByteBuffer(capacity: 64)
    if stream != 0 {
      guard let session = call.session, let name = pass(stream, of: session, to: connection) else { return false }
      start.append(name)
    }
    start.append("event: message\ndata: ")
    // A heartbeat must not get between its pieces.
    loop.heartbeat(connection, milliseconds: 0, gateway.heartbeatFrame)
    loop.writeStream(connection, start.bytes)
    return true
  }

  private func pass(_ stream: AnswerState.Stream, of session: Session, to connection: ConnectionID) -> [UInt8]? {
    let gateway = gateway
    return session.withState { state in
      guard let name = state.log.passLast(of: stream, to: connection) else { return nil }
      gateway.tell(of: stream, in: state, session)
      return name
    }
  }

  func passed(_ request: UpstreamRequest, _ bytes: RawSpan, last: Bool) {
    guard let call = call(of: request), case .post(let connection) = call.origin,
      case .passing(let stream) = call.answer.phase
    else { return }
    if bytes.byteCount > 0, loop.writeStream(connection, bytes) == .full, !last { _ = pauseSource(of: call) }
    call.extend(to: now + settings.callTimeout)
    guard last else { return }
    if let stream {
      loop.writeStream(connection, ("\n\n" as StaticString).bytes)
      endPassedEvent(of: call, stream)
    }
    loop.endStream(connection)
    end(call, .answered)
  }

  /// The stream of a passed event has no reader any more.
  func endPassedEvent(of call: Call, _ stream: AnswerState.Stream) {
    let now = now
    call.session?.withState { $0.log.finish(stream, now: now) }
  }
}
