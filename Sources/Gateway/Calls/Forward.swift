import MCP
import Reactor
import Routing
import Wire

/// From a client's request to the upstream's door.
extension Worker {
  /// Begins a client's call. nil when this worker holds as many as it can name.
  func begin(_ origin: Call.Origin, _ session: Session?, _ envelope: Envelope, client: Revision) -> Call? {
    guard let call = calls.make(origin, session) else { return nil }
    call.clientRevision = client
    call.method = envelope.method
    if let clientID = envelope.id { call.clientID.buffer.append(clientID) }
    if let token = envelope.value(MetaKey.progressToken) { call.progressToken.buffer.append(token) }
    let now = now
    call.startedAt = now
    call.extend(to: now + context.limits.callTimeout)
    call.decideAt = now + Call.decisionDelay
    session?.callBegan()
    if case .post(let connection) = origin { loop.setTag(connection, tag(.call, call.id.rawValue)) }
    armSweep()
    return call
  }

  /// Carries a client's request to its upstream. `plain` is the upstream's own name or URI, unescaped.
  func forward(
    _ call: Call, _ envelope: Envelope, _ target: CallTarget, _ cluster: Cluster, _ change: NameChange,
    plain: RawSpan, _ routes: Routes, _ place: Int, _ kind: ListKind, _ entry: Int?
  ) {
    call.server = cluster.number
    guard let speech = speech(of: cluster, for: call) else { return }
    let revision = speech.revision(for: call.clientRevision)
    call.serverRevision = revision
    call.marksResources = call.looksAtAll && routes.catalogue.upstreams[place].marksResources
    let tool: Int? = if case .tools = kind { entry } else { nil }
    if let tool { call.hasNonObjectOutput = routes.hasNonObjectOutput(tool: tool) }
    var level: LogLevel?
    if case .modern = call.clientRevision.era {
      level = LogLevel(token: envelope.value(MetaKey.logLevel))
      call.logLevel = level
      if let object = envelope.value(MetaKey.clientCapabilities) {
        call.abilities = ClientCapabilities(parsing: object)
      }
      call.lacking = ClientCapabilities()
    } else if case .modern = revision.era {
      if cluster.awaitsSecondFace, !call.hasAwaitedFace { return awaitFace(of: cluster, call, envelope) }
      level = call.session?.withState { $0.logLevel }
    }
    guard let request = makeRequest(for: call, cluster, revision) else {
      return fail(call, .busy(cluster, "\(settings.callsPerUpstream) calls to it are in flight"))
    }
    context.splice.reset()
    let id = request.id.rawValue
    RequestTranslation.request(
      envelope, call.hop, id: id, progressToken: call.progressToken.isEmpty ? nil : id, name: change, target: target,
      meta: gateway.requestMeta(level), splice: &context.splice)
    bodyScratch.clear()
    guard
      context.splice.write(envelope.message, into: &bodyScratch.buffer, flatten: speech.transport == .stdio)
    else {
      return fail(call, .internalError("the request could not be rewritten"))
    }
    guard case .modern = revision.era else { return send(call, request, bodyBytes, cluster, speech) }
    let reader = requests.takeReader()
    request.reader = reader
    requests.memory.keep(envelope.message, of: request, in: reader)
    guard case .streamableHTTP = speech.transport else { return send(call, request, bodyBytes, cluster, speech) }
    headScratch.buffer.clear()
    cluster.appendRequestHead(to: &headScratch.buffer)
    if !clientParameters.isEmpty { call.mirrored = clientParameters }
    let parameters = tool.map { routes.parameters(ofTool: $0) } ?? []
    headScratch.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: plain,
      arguments: envelope.value(Param.arguments), parameters: parameters.span, client: clientParameters)
    headScratch.buffer.append(contentLength: bodyScratch.count)
    headScratch.buffer.appendHeadEnd()
    requests.post(request, bodyBytes, cluster)
  }

  /// The request that a call is carried by; nil if its upstream has as many as it may have.
  private func makeRequest(for call: Call, _ cluster: Cluster, _ revision: Revision) -> UpstreamRequest? {
    if let former = call.request {
      // It goes out once more.
      call.redirects = former.redirects
      call.request = nil
      requests.end(former)
    }
    guard let request = requests.make(.client(call.id.rawValue), cluster, as: .call) else { return nil }
    request.method = call.method
    request.revision = revision
    request.deadline = call.deadline
    request.logLevel = call.logLevel
    request.redirects = call.redirects
    if call.isRerouted { request.state = RequestState(isRepeated: true) }
    call.request = request
    return request
  }

  /// How an upstream is spoken to that may be called now; else the call is answered with what is wrong.
  private func speech(of cluster: Cluster, for call: Call) -> Cluster.Speech? {
    if let speech = cluster.speech { return speech }
    switch cluster.health {
    case .ready(let profile): return profile.speech
    case .unknown:
      fail(call, .unavailable(cluster, "has not answered yet", retryAfter: 1000))
    case .down(let reason, let retryAt, _):
      fail(call, .unavailable(cluster, reason, retryAfter: retryAt > now ? retryAt - now : 1000))
    }
    return nil
  }

  /// Sends a finished message through the conversation that the isolation asks for.
  private func send(
    _ call: Call, _ request: UpstreamRequest, _ message: RawSpan, _ cluster: Cluster, _ speech: Cluster.Speech
  ) {
    let session = call.session
    if case .embedded = speech.transport {
      return upstream.messages.sendEmbedded(request, message, abilities: session?.abilities ?? [])
    }
    let conversation = conversation(for: call, cluster)
    request.session = conversation
    upstream.conversations.send(
      request, message, cluster, speech, in: conversation, of: conversation.owner == nil ? session?.id : nil)
  }

  /// The conversation with an upstream that a call belongs to.
  func conversation(for call: Call, _ cluster: Cluster) -> UpstreamSession {
    let session = call.session
    switch cluster.isolation {
    case .shared: return gateway.upstream.sessions.shared(cluster)
    case .session:
      if let session { return session.upstream(cluster) }
    case .principal: break
    }
    return gateway.upstream.sessions.session(cluster, principal(of: call), abilities: session?.abilities ?? [])
  }

  /// The one that a client has: the session, or whoever asks without one.
  func conversation(with cluster: Cluster, for session: Session?, _ principal: Principal) -> UpstreamSession {
    if let session { return gateway.conversation(with: cluster, of: session) }
    let sessions = gateway.upstream.sessions
    if case .shared = cluster.isolation { return sessions.shared(cluster) }
    return sessions.session(cluster, principal, abilities: [])
  }

  /// Whose call it is.
  func principal(of call: Call) -> Principal {
    if let session = call.session { return session.principal }
    switch call.origin {
    case .post(let connection): return principal(of: connection)
    case .socket(let reply): return principal(of: reply.connection)
    default: return .anonymous
    }
  }
}
