import Clusters
import Delivery
import MCP
import Reactor
import Sessions
import Translation
import UpstreamRequests
import Wire
import Workers

/// What the clients of one worker's calls get: messages before the response, and the response.
public final class Answers {
  private let context: CallsContext
  private let loop: EventLoop
  private let requests: Requests
  private let delivery: Delivery
  private let http: HTTPTransport

  public init(_ context: CallsContext) {
    self.context = context
    loop = context.loop
    requests = context.requests
    delivery = context.delivery
    http = delivery.http
  }

  // MARK: Before the response

  /// Writes a message on the stream of its call, which becomes one if it had not begun. A client that reads too slowly may be
  /// let go, and then the call is told so before this returns.
  func notify(_ call: Call, _ message: RawSpan) {
    if let batch = call.batch { return batch.notify(message) }
    let transport = delivery.transport(call.reply)
    switch call.answer.notified() {
    case .openStream: beginEvents(call, transport)
    case .event(0) where call.answer.hasLeft: return
    case .event: break
    case .drop: return
    }
    transport.write(message, to: call.reply, call.answer.stream, of: call.session, source: call.id, last: false)
  }

  /// Turns an undecided answer into an event stream, where there are any.
  private func beginEvents(_ call: Call, _ transport: any ClientTransport) {
    call.decideAt = .max
    if let stream = transport.beginEvents(call.reply, of: call.session, call.clientRevision) {
      call.answer.began(stream)
    }
  }

  /// After a second without a word the answer becomes an event stream, so that no proxy in between gives up on it. Where
  /// the HTTP status is still to tell what the client lacks, that waits longer.
  func decide(_ call: Call) {
    let (now, undecided) = (loop.now, context.settings.undecidedTime)
    if mayLackCapability(call), now < call.startedAt + undecided {
      call.decideAt = call.startedAt + undecided
      return
    }
    call.decideAt = .max
    guard call.post != nil, case .openStream = call.answer.notified() else { return }
    if let reader = call.request?.reader {
      if reader.mode == .json, reader.status != 0 { return }
      if !reader.collected.isEmpty {
        // A message is coming in, perhaps the response: clients take a large one as JSON, but not as one event.
        call.decideAt = now + Call.decisionDelay
        return
      }
    }
    beginEvents(call, delivery.http)
    if !call.clientRevision.hasPriming { delivery.answers.writeFirstByte(call.reply.connection) }
  }

  /// Whether the call may yet end with -32021, which is to be HTTP 400 (MCP 2026-07-28, Basic, Error Codes): its client is
  /// modern and lacks something, of which a legacy server was told that clients have it. A modern one that answers in events
  /// has decided for itself.
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

  // MARK: Sources

  /// Stops reading what comes for a call until the client has taken what there is. False if its source can't be paused.
  func pause(_ call: Call) -> Bool { call.request.map(requests.pause) ?? false }

  func resume(_ call: Call) {
    if let request = call.request { requests.resume(request) }
  }

  // MARK: The response

  /// Says the last word.
  func answer(_ call: Call, status: UInt16, _ message: RawSpan) {
    guard call.reply.isPost else {
      return delivery.transport(call.reply).answer(call.reply, status: status, message, of: call.session)
    }
    switch call.answer.answered() {
    case .whole:
      http.answer(call.reply, status: status, message)
      // What comes over a link is read on, whoever waits.
      if call.isOnLink, loop.queued(call.reply.connection) > context.worker.limits.writeHighWater {
        delivery.noteUnread(call.reply.connection, of: call.session)
      }
    case .lastEvent(let stream):
      let hasLeft = call.answer.hasLeft
      if stream != 0 || !hasLeft {
        http.write(message, to: call.reply, stream, of: call.session, source: call.id, last: true)
      }
      // Somebody else may have come back for it by now.
      http.endEvents(call.reply, stream, of: call.session, hasLeft: hasLeft)
    case .abort(let stream):
      http.close(call.reply)
      if let stream { endPassedEvent(of: call, stream) }
    case .drop:
      break
    }
  }

  /// A request that no call is begun for.
  /// - Parameter batch: where it would be one of several.
  public func refuse(
    _ reply: ReplyTo, _ session: Session?, _ error: GatewayError, _ envelope: Envelope, _ era: Era,
    _ batch: AnswerBatch?
  ) {
    guard let batch, let place = reply.place else {
      return delivery.transport(reply).refuse(reply, error, id: envelope.id, era, of: session)
    }
    var message = ByteBuffer()
    message.append(error, id: envelope.id, to: era)
    _ = batch.complete(place, message.bytes.array)
  }

  // MARK: A response that goes out as it comes

  /// Opens the answer to a call whose response is too large to be kept. False if its stream is read elsewhere by now.
  public func beginPassing(_ call: Call, _ connection: ConnectionID) -> Bool {
    if let stream = call.answer.stream {
      guard delivery.http.beginPassing(stream, of: call.session, on: connection) else { return false }
    } else {
      delivery.http.beginPassing(connection)
    }
    call.answer.passes()
    return true
  }

  /// The next piece.
  public func pass(_ call: Call, _ connection: ConnectionID, _ bytes: RawSpan, last: Bool) {
    if bytes.byteCount > 0, delivery.http.pass(bytes, on: connection) == .full, !last { _ = pause(call) }
  }

  /// There was the last piece.
  public func endPassing(_ call: Call, _ connection: ConnectionID, _ stream: AnswerState.Stream?) {
    if let stream {
      delivery.http.endPassing(connection)
      endPassedEvent(of: call, stream)
    }
    loop.endStream(connection)
  }

  /// The stream of a passed event has no reader any more.
  func endPassedEvent(of call: Call, _ stream: AnswerState.Stream) {
    delivery.http.endPassed(stream, of: call.session)
  }
}
