import Clusters
import Delivery
import MCP
import Reactor
import SessionStore
import Sessions
import Translation
import UpstreamRequests
import Wire
import Workers

/// The calls of one worker's clients, from when they are begun until each has come to its end.
public final class OpenCalls {
  private let worker: WorkerContext
  private let loop: EventLoop
  private let body: Scratch
  private let requests: Requests
  private let sweep: SweepTimer
  private let delivery: Delivery
  private let ends: SessionEnds
  private let answers: Answers
  private let subscriptions: Subscriptions
  private var table: CallTable
  /// What servers have asked clients and those have not answered yet.
  public var reverses: ReverseTable

  public init(_ context: CallsContext, _ answers: Answers, _ subscriptions: Subscriptions) {
    worker = context.worker
    loop = context.loop
    body = context.body
    requests = context.requests
    sweep = context.sweep
    delivery = context.delivery
    ends = delivery.ends
    self.answers = answers
    self.subscriptions = subscriptions
    table = CallTable(worker: context.index)
    reverses = ReverseTable(worker: context.index)
  }

  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  // MARK: The table

  public var count: Int { table.count }
  public func find(_ id: CallID) -> Call? { table.find(id) }

  /// The client's call that a request was made for.
  public func find(_ request: UpstreamRequest) -> Call? {
    guard case .client(let number) = request.owner else { return nil }
    return table.find(CallID(rawValue: number))
  }

  /// The same for who looks at it within this turn of the loop.
  public func lend(_ request: UpstreamRequest) -> Lent<Call>? {
    guard case .client(let number) = request.owner else { return nil }
    return table.lend(CallID(rawValue: number))
  }

  /// The calls of a session.
  public func calls(of session: Session) -> [CallID] { table.calls(of: session.id, session.socket) }

  /// Those that came over a WebSocket.
  public func calls(over socket: ConnectionID) -> [CallID] { table.calls(over: socket) }

  /// Those that are answered on a connection.
  public func calls(answeredOn connection: ConnectionID, of session: Session? = nil) -> [CallID] {
    table.ids { call in
      guard call.post == connection, !call.answer.hasLeft else { return false }
      return session == nil || call.session === session
    }
  }

  // MARK: The beginning

  /// Begins a client's call. nil when this worker holds as many as it can name.
  public func begin(
    _ reply: ReplyTo, _ session: Session?, _ envelope: Envelope, client: Revision, _ batch: AnswerBatch?,
    _ own: OwnCall?
  ) -> Call? {
    guard let call = table.make(reply, session, batch, own) else { return nil }
    call.clientRevision = client
    call.method = envelope.method
    if let clientID = envelope.id { call.clientID.buffer.append(clientID) }
    if let token = envelope.value(MetaKey.progressToken) { call.progressToken.buffer.append(token) }
    let now = loop.now
    call.startedAt = now
    call.extend(to: now + worker.limits.callTimeout)
    call.decideAt = now + Call.decisionDelay
    if let session {
      session.callBegan()
      ends.begins(in: session)
    }
    if let connection = call.post { loop.setTag(connection, TagKind.call.tag(call.id.rawValue)) }
    sweep.arm()
    return call
  }

  // MARK: In its course

  /// A message on the stream of a call.
  public func notify(_ call: Call, _ message: RawSpan) { answers.notify(call, message) }

  /// What its deadlines say. True if there are calls yet.
  public func lookAtDeadlines() -> Bool {
    let now = loop.now
    for id in table.ids(where: { $0.deadline <= now || $0.decideAt <= now }) {
      guard let call = table.find(id) else { continue }
      if call.deadline <= now { timeOut(call) } else { answers.decide(call) }
    }
    return table.count > 0
  }

  /// Stops reading what comes for a call until the client has taken what there is. False if its source can't be paused.
  public func pauseSource(of id: CallID) -> Bool { table.find(id).map(answers.pause) ?? false }

  /// A client has taken what there was of its calls.
  public func resumeSources(of ids: [CallID]) { for id in ids { resumeSource(of: id) } }

  public func resumeSource(of id: CallID) {
    if let call = table.find(id) { answers.resume(call) }
  }

  // MARK: The last word

  /// The call ends with an error of the gateway's own.
  public func fail(_ call: Call, _ failure: GatewayError) {
    let era = call.clientRevision.era
    body.clear()
    body.buffer.append(failure, id: call.clientID.bytes(of: call), to: era)
    answer(call, status: UInt16(failure.answer(to: era).status), bodyBytes, .failed(failure.kind))
  }

  /// A result that the gateway has itself.
  public func answer(_ call: Call, result: RawSpan) {
    body.clear()
    body.buffer.append(result: result, responseTo: call.clientID.bytes(of: call))
    answer(call, status: 200, bodyBytes, .answered)
  }

  /// Sends the response and ends the call.
  public func answer(_ call: Call, status: UInt16, _ message: RawSpan, _ ending: CallReport.Ending) {
    if call.batch != nil || call.own != nil { return answerInside(call, message, ending) }
    answers.answer(call, status: status, message)
    let socket = call.socket
    end(call, ending)
    if let socket, worker.group.phase.isDraining { delivery.sockets.closeIfDrained(socket) }
  }

  /// The same for a call that is one of a batch, or the gateway's own.
  private func answerInside(_ call: Call, _ message: RawSpan, _ ending: CallReport.Ending) {
    let (batch, reply, own) = (call.batch, call.reply, call.own)
    let bytes = batch == nil ? [] : message.array
    end(call, ending)
    if case .answered = ending { own?.ended(true) } else { own?.ended(false) }
    guard let batch, let place = reply.place, batch.complete(place, bytes), let socket = reply.socket else { return }
    if worker.group.phase.isDraining { delivery.sockets.closeIfDrained(socket) }
  }

  /// Frees a call, with what it has under way upstream and what was asked in its course. Every call ends here.
  public func end(_ call: Call, _ ending: CallReport.Ending) {
    if case .answered = ending {} else { note(ending, of: call) }
    call.withSession { $0.callEnded() }
    if call.hedge != nil { endSecond(of: call) }
    if let request = call.lentRequest {
      call.request = nil
      request.with { requests.end($0) }
    }
    let id = call.id
    table.release(call)
    if !reverses.isEmpty { withdrawReverses(of: id) }
  }

  /// What goes to a second endpoint for a call is over with it.
  private func endSecond(of call: Call) {
    guard let second = call.hedge?.second else { return }
    call.hedge = nil
    requests.cancel(second, reason: "nobody waits for the answer")
    requests.end(second)
  }

  /// A call came to nothing.
  private func note(_ ending: CallReport.Ending, of call: Call) {
    if !call.subscribing.isEmpty { subscriptions.forget(call) }
    guard worker.logger.logLevel <= .debug else { return }
    let report = CallReport(
      ending: ending, method: call.method, server: call.request?.cluster?.alias,
      wasSent: call.request?.state.isKnownUpstream ?? false, milliseconds: loop.now - call.startedAt)
    worker.logger.debug("\(report)")
  }

  /// The client need not answer any more what was asked for the call.
  private func withdrawReverses(of id: CallID) {
    for (reverse, entry) in reverses.takeAll(where: { $0.call == id && !$0.outlivesCall }) {
      delivery.messages.emit(Self.withdrawal(of: reverse).bytes, to: entry.session)
    }
  }

  /// What tells a client that it need not answer.
  public static func withdrawal(of reverse: ReverseID) -> ByteBuffer {
    var message = ByteBuffer(capacity: 96)
    message.append(cancelled: reverse.rawValue)
    return message
  }

  // MARK: Ends that are not answers

  /// The connection that a call is answered on ended on the client's side. True if that is its end.
  public func peerEnded(_ id: CallID) -> Bool {
    // A half-closed legacy client may still read its answer; a modern one that goes away cancels (MCP
    // 2026-07-28, Basic/Patterns, Cancellation).
    guard let call = table.find(id), call.clientRevision.era == .modern || call.answer.hasBegun else { return false }
    clientGone(id)
    return true
  }

  /// The client's connection is gone while its call runs.
  public func clientGone(_ id: CallID) {
    guard let call = table.find(id), let connection = call.post, !call.answer.hasLeft else { return }
    let departure = call.answer.clientGone(mayReturn: call.clientRevision.era == .legacy)
    switch departure {
    case .cancel(let stream):
      if let stream { answers.endPassedEvent(of: call, stream) }
      abandon(call, reason: "the client closed its connection")
    case .keep(let stream):
      // A legacy client that goes away has not cancelled (MCP 2025-11-25, Basic/Transports, Sending Messages to the
      // Server): its call goes on, and what its stream missed is kept.
      let now = loop.now
      call.extend(to: min(call.deadline, now + worker.settings.resumeWindow))
      answers.resume(call)
      if stream != nil, let session = call.session { _ = session.withState { $0.log.detach(connection, now: now) } }
    }
  }

  private func timeOut(_ call: Call) {
    if let request = call.request { requests.outcomes.timedOut(request) }
    cancelUpstream(call, reason: "timed out")
    guard let cluster = call.request?.cluster else {
      // Something that the gateway itself answers, which waits for others.
      return fail(call, .internalError("what it needs took too long"))
    }
    fail(call, .timedOut(cluster, milliseconds: loop.now - call.startedAt))
  }

  /// The client cancelled: the upstream is told, and the POST ends with an error so that nothing waits for it.
  public func cancel(_ call: Call) {
    cancelUpstream(call, reason: "the client cancelled")
    fail(call, GatewayError(.cancelled))
  }

  /// The same where nothing answers it.
  public func withdraw(_ call: Call) {
    cancelUpstream(call, reason: "the client cancelled")
    end(call, .withdrawn)
  }

  /// Its client is gone for good.
  public func abandon(_ call: Call, reason: StaticString) {
    cancelUpstream(call, reason: reason)
    end(call, .abandoned)
  }

  /// Its session has ended: its client hears so.
  public func expel(_ call: Call, _ error: GatewayError) {
    cancelUpstream(call, reason: "the session ended")
    fail(call, error)
  }

  /// Tells the upstream that nobody waits for the answer any more.
  private func cancelUpstream(_ call: Call, reason: StaticString) {
    if let request = call.request { requests.cancel(request, reason: reason) }
  }
}
