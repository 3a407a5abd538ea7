import MCP
import Reactor
import Wire

/// What upstreams say, in one place: responses go to the calls that they answer, notifications and requests to whom they
/// concern, wherever they were said.
extension Worker: UpstreamDelegate {
  /// The client's call that a request was made for.
  func call(of request: UpstreamRequest) -> Call? {
    guard case .client(let number) = request.owner else { return nil }
    return calls.find(CallID(rawValue: number))
  }

  func answered(_ request: UpstreamRequest, _ response: Envelope) {
    if let call = call(of: request) { deliver(call, request, response) } else { requests.end(request) }
  }

  func failed(_ request: UpstreamRequest, _ error: GatewayError) {
    guard let call = call(of: request) else { return requests.end(request) }
    if call.answer.isForNobody { end(call, .failed(error.kind)) } else { fail(call, error) }
  }

  // MARK: Notifications and requests

  func said(_ message: Envelope, _ voice: UpstreamVoice) {
    guard case .notification = message.kind else { return asked(message, voice) }
    switch message.method {
    case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
      if let cluster = voice.cluster { listChanged(cluster, message.method, voice.session) }
    case .notifyResourcesUpdated:
      if let cluster = voice.cluster { resourceUpdated(cluster, message, voice.session) }
    case .notifyElicitationComplete:
      elicitationCompleted(message, voice)
    case .notifyCancelled:
      switch voice {
      case .request(let request): if let call = call(of: request) { cancelReverse(of: call.id, message) }
      case .link(let link): _ = link.tell(message.message, .only)
      case .stream: break
      }
    case .notifyMessage:
      logged(message, voice)
    case .notifyProgress:
      guard case .request(let request) = voice, let call = call(of: request) else { return relay(message, voice) }
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
      if let call = call(of: request) { forward(message, in: call) }
    case .link(let link):
      if !link.tell(message.message, .everyCaller) { broadcast(message, link.session) }
    case .stream(_, let session, _):
      if let session { broadcast(message, session) }
    }
  }

  private func logged(_ message: Envelope, _ voice: UpstreamVoice) {
    switch voice {
    case .request(let request):
      if let call = call(of: request), isWanted(message, by: call) { forward(message, in: call) }
    case .link(let link):
      let level = LogLevel(token: message.value(Param.level)) ?? .emergency
      if !link.tell(message.message, .log(level)) { broadcast(message, link.session) }
    case .stream:
      relay(message, voice)
    }
  }

  /// A modern client hears of a legacy server's logs only if this request asked for them, and from that level on [7.1], a
  /// legacy one from the level on that it set: what others wanted of the same conversation may be more. What a modern server
  /// tells a modern client is between the two.
  private func isWanted(_ log: Envelope, by call: Call) -> Bool {
    let isModern = call.clientRevision.era == .modern
    if isModern, call.serverRevision.era == .modern { return true }
    guard let wanted = isModern ? call.logLevel : call.session?.withState({ $0.logLevel }) else { return !isModern }
    return LogLevel(token: log.value(Param.level)).map { $0 >= wanted } ?? true
  }

  func forward(_ message: Envelope, in call: Call) {
    splice.reset()
    guard ServerTranslation.notification(message, call.hop, splice: &splice) else { return }
    bodyScratch.clear()
    if splice.write(message.message, into: &bodyScratch.buffer) { forwardNotification(call, bodyBytes) }
  }

  private func forwardProgress(_ call: Call, _ request: UpstreamRequest, _ message: Envelope) {
    call.extend(to: min(now + settings.callTimeout, call.startedAt + settings.callTimeoutCeiling))
    guard !call.progressToken.isEmpty, let token = message.value(Param.progressToken),
      RequestID(token: token) == request.id
    else { return }
    splice.reset()
    guard
      ServerTranslation.notification(
        message, call.hop, progressToken: call.progressToken.bytes(of: call), splice: &splice)
    else { return }
    bodyScratch.clear()
    if splice.write(message.message, into: &bodyScratch.buffer) { forwardNotification(call, bodyBytes) }
  }

  private func asked(_ question: Envelope, _ voice: UpstreamVoice) {
    switch voice {
    case .request(let request):
      if let call = call(of: request) { receiveRequest(call, request, question) }
    case .link(let link):
      guard question.method != .ping else {
        return upstream.messages.answer(question, link.cluster, link.open, result: "{}")
      }
      askOutsideCalls(question, link.session, link.open)
    case .stream(_, let session, let open):
      if let session, let open { askOutsideCalls(question, session, open) }
    }
  }

  func asked(_ question: RawSpan, in request: UpstreamRequest, isGuess: Bool) {
    guard let call = call(of: request) else { return }
    let envelopes = answerScanner
    let envelope = envelopes.scan(question, depth: settings.depth)
    let id = call.id
    receiveRequest(call, request, envelope)
    if isGuess, let token = envelope.id { reverses.loosen(token, from: id) }
  }

  // MARK: Once more

  func outdated(_ request: UpstreamRequest, _ error: GatewayError) {
    guard let call = call(of: request), let cluster = request.cluster else { return requests.end(request) }
    recover(call, request, cluster, .rediscover, otherwise: error)
  }

  func redirected(_ request: UpstreamRequest, _ message: [UInt8]) {
    guard let call = call(of: request) else { return requests.end(request) }
    again(call.id, message)
  }

  // MARK: What upstreams have to know of clients

  func party(of request: UpstreamRequest) -> Party? { call(of: request).flatMap(party) }

  /// The client whose call it is; nil for the gateway's own.
  func party(of call: Call) -> Party? {
    if let session = call.session { return session.party }
    return switch call.origin {
    case .post(let connection): party(of: connection)
    case .socket(let reply): party(of: reply.connection)
    default: nil
    }
  }

  func caller(of request: UpstreamRequest) -> LinkCalls.Caller {
    guard let call = call(of: request) else { return .gateway }
    if let session = call.session { return .session(session.id, session.principal) }
    return .modern(call.logLevel, settings.tellsClientsApart ? principal(of: call) : .anonymous)
  }

  /// The level that a conversation needs: its client's, or the lowest of those who share it.
  func logLevel(of session: UpstreamSession) -> LogLevel? {
    if let owner = session.owner { return gateway.sessions.find(owner)?.withState { $0.logLevel } }
    let asked = gateway.sharers(of: session).flatMap { gateway.sessions.lowestLevel(of: $0) }
    return [asked, session.requestedLevel].compactMap { $0 }.min()
  }

  func isHeard(_ session: UpstreamSession) -> Bool {
    guard let owner = session.owner else { return true }
    guard let session = gateway.sessions.find(owner) else { return false }
    return session.withState { state in
      !state.ended
        && (session.socket != nil || !state.subscriptions.isEmpty || state.logLevel != nil || state.log.isListened)
    }
  }
}
