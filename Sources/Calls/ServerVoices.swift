import Clusters
import Configuration
import Delivery
import Links
import MCP
import OpenCalls
import Reactor
import SessionStore
import Sessions
import Translation
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// What upstreams say, in one place: responses go to the calls that they answer, notifications and requests to whom they
/// concern, wherever they were said.
final class ServerVoices: UpstreamDelegate {
  private let context: CallsContext
  private let worker: WorkerContext
  private let loop: EventLoop
  private let body: Scratch
  private let sessions: SessionsShared
  private let requests: Requests
  private let messages: UpstreamMessages
  private let open: OpenCalls
  private let answers: Answers
  private let responses: Responses
  private let reverse: ReverseRequests
  private let outside: OutsideRequests
  private let news: UpstreamNews
  private let hedging: Hedging

  init(
    _ context: CallsContext, _ open: OpenCalls, _ answers: Answers, _ responses: Responses, _ reverse: ReverseRequests,
    _ outside: OutsideRequests, _ news: UpstreamNews, _ hedging: Hedging
  ) {
    self.context = context
    worker = context.worker
    loop = context.loop
    body = context.body
    sessions = context.sessions
    requests = context.requests
    messages = context.upstream.messages
    self.open = open
    self.answers = answers
    self.responses = responses
    self.reverse = reverse
    self.outside = outside
    self.news = news
    self.hedging = hedging
  }

  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  func answered(_ request: UpstreamRequest, _ response: Envelope) {
    if request.isHedged { hedging.settle(on: request) }
    guard let call = open.lend(request) else { return requests.end(request) }
    call.with { responses.deliver($0, request, response) }
  }

  func failed(_ request: UpstreamRequest, _ error: GatewayError) {
    if request.isHedged, hedging.drops(request) { return }
    guard let call = open.find(request) else { return requests.end(request) }
    if call.answer.isForNobody { open.end(call, .failed(error.kind)) } else { open.fail(call, error) }
  }

  // MARK: Notifications and requests

  func said(_ message: Envelope, _ voice: UpstreamVoice) {
    if case .request(let request) = voice, request.isHedged { hedging.settle(on: request) }
    guard case .notification = message.kind else { return asked(message, voice) }
    switch message.method {
    case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
      if let cluster = voice.cluster { news.listChanged(cluster, message.method, voice.session) }
    case .notifyResourcesUpdated:
      if let cluster = voice.cluster { news.resourceUpdated(cluster, message, voice.session) }
    case .notifyElicitationComplete:
      elicitationCompleted(message, voice)
    case .notifyCancelled:
      switch voice {
      case .request(let request): if let call = open.find(request) { reverse.cancel(of: call.id, message) }
      case .link(let link): _ = link.tell(message.message, .only)
      case .stream: break
      }
    case .notifyMessage:
      logged(message, voice)
    case .notifyProgress:
      guard case .request(let request) = voice, let call = open.find(request) else { return relay(message, voice) }
      forwardProgress(call, request, message)
    default:
      relay(message, voice)
    }
  }

  /// A message that is for whoever can hear it: the client of the call, those with calls on the link, or all whose
  /// conversation it is.
  private func relay(_ message: Envelope, _ voice: UpstreamVoice) {
    switch voice {
    case .request(let request):
      if let call = open.find(request) { forward(message, in: call) }
    case .link(let link):
      if !link.tell(message.message, .everyCaller) { news.broadcast(message, link.session) }
    case .stream(_, let session, _):
      if let session { news.broadcast(message, session) }
    }
  }

  private func logged(_ message: Envelope, _ voice: UpstreamVoice) {
    switch voice {
    case .request(let request):
      if let call = open.find(request), isWanted(message, by: call) { forward(message, in: call) }
    case .link(let link):
      let level = LogLevel(token: message.value(Param.level)) ?? .emergency
      if !link.tell(message.message, .log(level)) { news.broadcast(message, link.session) }
    case .stream:
      relay(message, voice)
    }
  }

  /// A modern client hears of a legacy server's logs only if this request asked for them, and from that level on (MCP
  /// 2026-07-28, Basic, `_meta`), a legacy one from the level on that it set: what others wanted of the same conversation may
  /// be more. What a modern server tells a modern client is between the two.
  private func isWanted(_ log: Envelope, by call: Call) -> Bool {
    let isModern = call.clientRevision.era == .modern
    if isModern, call.serverRevision.era == .modern { return true }
    guard let wanted = isModern ? call.logLevel : call.session?.withState({ $0.logLevel }) else { return !isModern }
    return LogLevel(token: log.value(Param.level)).map { $0 >= wanted } ?? true
  }

  private func forward(_ message: Envelope, in call: Call) {
    worker.splice.reset()
    guard ServerTranslation.notification(message, call.hop, splice: &worker.splice) else { return }
    body.clear()
    if worker.splice.write(message.message, into: &body.buffer) { open.notify(call, bodyBytes) }
  }

  private func forwardProgress(_ call: Call, _ request: UpstreamRequest, _ message: Envelope) {
    call.extend(to: min(loop.now + worker.limits.callTimeout, call.startedAt + worker.settings.callTimeoutCeiling))
    guard !call.progressToken.isEmpty, let token = message.value(Param.progressToken),
      RequestID(token: token) == request.id
    else { return }
    worker.splice.reset()
    guard
      ServerTranslation.notification(
        message, call.hop, progressToken: call.progressToken.bytes(of: call), splice: &worker.splice)
    else { return }
    body.clear()
    if worker.splice.write(message.message, into: &body.buffer) { open.notify(call, bodyBytes) }
  }

  private func asked(_ question: Envelope, _ voice: UpstreamVoice) {
    switch voice {
    case .request(let request):
      if let call = open.find(request) { reverse.receive(call, request, question) }
    case .link(let link):
      guard question.method != .ping else {
        return messages.answer(question, link.cluster, link.open, result: "{}")
      }
      outside.ask(question, link.session, link.open)
    case .stream(_, let session, let open):
      if let session, let open { outside.ask(question, session, open) }
    }
  }

  func asked(_ question: RawSpan, in request: UpstreamRequest, isGuess: Bool) {
    if request.isHedged { hedging.settle(on: request) }
    reverse.asked(question, in: request, isGuess: isGuess)
  }

  // MARK: Once more

  func outdated(_ request: UpstreamRequest, _ error: GatewayError) {
    if request.isHedged, hedging.drops(request) { return }
    guard let call = open.find(request), let cluster = request.cluster else { return requests.end(request) }
    responses.recover(call, request, cluster, .rediscover, otherwise: error)
  }

  func redirected(_ request: UpstreamRequest, _ message: [UInt8]) {
    if request.isHedged, hedging.drops(request) { return }
    guard let call = open.find(request) else { return requests.end(request) }
    context.send(.again(call.id, message), to: context.index)
  }

  // MARK: What upstreams have to know of clients

  func party(of request: UpstreamRequest) -> Party? { open.find(request).flatMap(context.party) }

  /// The client whose call it is; nil for the gateway's own.
  func caller(of request: UpstreamRequest) -> LinkCalls.Caller {
    guard let call = open.find(request) else { return .gateway }
    if let session = call.session { return .session(session.id, session.principal) }
    return .modern(call.logLevel, worker.settings.tellsClientsApart ? context.principal(of: call) : .anonymous)
  }

  func toolName(of request: UpstreamRequest) -> String? {
    guard let call = open.find(request) else { return nil }
    let catalogue = sessions.catalogue(for: call.session)
    return catalogue.catalogue.place(ofUpstream: call.server)
      .flatMap { catalogue.routes.name(ofTool: request.tool, upstream: $0) }
  }

  /// The level that a conversation needs: its client's, or the lowest of those who share it.
  func logLevel(of session: UpstreamSession) -> LogLevel? {
    if let owner = session.owner { return sessions.find(owner)?.withState { $0.logLevel } }
    let asked = sessions.sharers(of: session).flatMap { sessions.table.lowestLevel(of: $0) }
    return [asked, session.requestedLevel].compactMap { $0 }.min()
  }

  func isHeard(_ session: UpstreamSession) -> Bool {
    guard let owner = session.owner else { return true }
    guard let session = sessions.find(owner) else { return false }
    return session.withState { state in
      !state.ended
        && (session.socket != nil || !state.subscriptions.isEmpty || state.logLevel != nil || state.log.isListened)
    }
  }

  // MARK: Elicitations

  /// A question is done.
  private func elicitationCompleted(_ envelope: Envelope, _ voice: UpstreamVoice) {
    let asked = voice.session.flatMap { Elicitations.sessionAsked(envelope, in: $0, now: loop.now) }
    switch voice {
    case .request(let request):
      guard let call = open.find(request) else { return }
      if let asked, asked != call.session?.id { return elicitationCompleted(envelope, for: asked) }
      forward(envelope, in: call)
    case .link(let link):
      guard let asked else { return }
      // On the stream of a call of its own, if it has one: it may listen on no other.
      if !link.tell(envelope.message, .session(asked)) { elicitationCompleted(envelope, for: asked) }
    case .stream:
      if let asked { elicitationCompleted(envelope, for: asked) }
    }
  }

  /// As the server says on no stream of the asked client's own.
  private func elicitationCompleted(_ envelope: Envelope, for id: SessionID) {
    guard let session = sessions.find(id) else { return }
    worker.splice.reset()
    let hop = Hop(.elicitationCreate, client: session.revision, upstream: session.revision)
    var message = ByteBuffer(capacity: envelope.message.byteCount)
    guard ServerTranslation.notification(envelope, hop, splice: &worker.splice),
      worker.splice.write(envelope.message, into: &message)
    else { return }
    context.delivery.messages.emit(message.bytes, to: session)
  }

  // MARK: Large results

  func passage(of request: UpstreamRequest, collected: Int) -> ResultPassage {
    if request.isHedged { hedging.settle(on: request) }
    guard let call = open.find(request), call.post != nil, call.lacking.isEmpty,
      !ResponseTranslation.needsWhole(call.hop)
    else { return .collect(until: .max) }
    switch call.answer.large(collected, replay: worker.settings.configuration.sessions.replay) {
    case .never: return .collect(until: .max)
    case .collect(let size): return .collect(until: size)
    case .pass(let stream):
      var edits = ResponseEdits()
      let identity = sessions.upstream.identityObject
      ResponseTranslation.streamed(
        call.hop, id: call.clientID.bytes(of: call), serverInfo: identity.rawBytes, edits: &edits)
      edits.flatten = stream != nil
      return .pass(ResponseRewriter(edits, depth: worker.settings.depth))
    }
  }

  func beginPassing(_ request: UpstreamRequest) -> Bool {
    guard let call = open.find(request), let connection = call.post else { return false }
    return answers.beginPassing(call, connection)
  }

  func passed(_ request: UpstreamRequest, _ bytes: RawSpan, last: Bool) {
    guard let call = open.find(request), let connection = call.post,
      case .passing(let stream) = call.answer.phase
    else { return }
    answers.pass(call, connection, bytes, last: last)
    call.extend(to: loop.now + worker.limits.callTimeout)
    guard last else { return }
    answers.endPassing(call, connection, stream)
    open.end(call, .answered)
  }
}
