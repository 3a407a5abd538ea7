import MCP
import Reactor
import Routing
import Wire

/// From a client's request to the upstream's door.
extension Worker {
  /// Opens an exchange for a client's request. nil, and the client answered, when this worker holds too many.
  func beginExchange(
    _ origin: Exchange.Origin, _ session: Session?, _ envelope: Envelope, client: Revision
  ) -> Exchange? {
    guard let id = exchanges.make(origin) else { return nil }
    let exchange = exchanges[id]
    exchange.session = session
    exchange.clientRevision = client
    exchange.method = envelope.method
    if let clientID = envelope.id { exchange.clientID.buffer.append(clientID) }
    if let token = envelope.value(MetaKey.progressToken) { exchange.progressToken.buffer.append(token) }
    let now = now
    exchange.startedAt = now
    exchange.deadline = now + settings.callTimeout
    exchange.decideAt = now + GatewayState.decisionDelay
    session?.callBegan()
    if case .post(let connection) = origin { loop.setTag(connection, tag(.exchange, id.rawValue)) }
    armSweep()
    return exchange
  }

  /// Carries a client's request to its upstream. `plain` is the upstream's own name or URI, unescaped.
  func forward(
    _ exchange: Exchange, _ envelope: Envelope, _ target: CallTarget, _ cluster: Cluster, _ change: NameChange,
    plain: RawSpan, _ routes: Routes, _ place: Int, _ kind: ListKind, _ entry: Int?
  ) {
    let id = exchange.id
    // It may go out once more, perhaps to a server that changed meanwhile.
    uncount(id)
    exchange.cluster = cluster
    guard let profile = readyProfile(of: cluster, for: id) else { return }
    let stake = stake(in: cluster)
    guard stake.callsInFlight < settings.callsPerUpstream else {
      return fail(id, .busy(cluster, "\(settings.callsPerUpstream) calls to it are in flight"))
    }
    stake.callsInFlight += 1
    exchange.stake = stake
    let revision = profile.revision(for: exchange.clientRevision)
    exchange.serverRevision = revision
    exchange.marksResources = exchange.looksAtAll && routes.catalogue.upstreams[place].marksResources
    if kind == .tools, let entry { exchange.hasNonObjectOutput = routes.hasNonObjectOutput(tool: entry) }
    var level: LogLevel?
    if exchange.clientRevision.era == .modern {
      level = LogLevel(token: envelope.value(MetaKey.logLevel))
      exchange.logLevel = level
      if let object = envelope.value(MetaKey.clientCapabilities) {
        exchange.abilities = ClientCapabilities(parsing: object)
      }
      exchange.lacking = ClientCapabilities()
    } else if revision.era == .modern {
      if cluster.awaitsSecondFace, !exchange.hasAwaitedFace { return awaitFace(of: cluster, exchange, envelope) }
      level = exchange.session?.withState { $0.logLevel }
    }
    splice.reset()
    RequestTranslation.request(
      envelope, hop(exchange), id: id.rawValue,
      progressToken: exchange.progressToken.isEmpty ? nil : id.rawValue, name: change, target: target,
      meta: gateway.requestMeta(level), splice: &splice)
    bodyScratch.clear()
    guard splice.write(envelope.message, into: &bodyScratch.buffer, flatten: profile.transport == .stdio) else {
      return fail(id, .internalError("the request could not be rewritten"))
    }
    guard revision.era == .modern else { return send(exchange, bodyBytes, cluster, profile) }
    let reader = takeReader()
    exchange.reader = reader
    keep(envelope.message, of: exchange, in: reader)
    guard profile.transport == .streamableHTTP else { return send(exchange, bodyBytes, cluster, profile) }
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.requestHead)
    if !clientParameters.isEmpty { exchange.mirrored = clientParameters }
    let parameters = kind == .tools && entry != nil ? routes.parameters(ofTool: entry!) : []
    headScratch.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: plain,
      arguments: envelope.value(Param.arguments), parameters: parameters.span, client: clientParameters)
    headScratch.buffer.append(contentLength: bodyScratch.count)
    headScratch.buffer.appendHeadEnd()
    post(exchange, bodyBytes, cluster)
  }

  /// The profile of an upstream that may be called now; else the exchange is answered with what is wrong.
  private func readyProfile(of cluster: Cluster, for id: ExchangeID) -> Cluster.Profile? {
    switch cluster.health {
    case .ready(let profile): return profile
    case .unknown:
      fail(id, .unavailable(cluster, "has not answered yet", retryAfter: 1000))
    case .down(let reason, let retryAt, _):
      fail(id, .unavailable(cluster, reason, retryAfter: retryAt > now ? retryAt - now : 1000))
    }
    return nil
  }

  /// Sends a finished message through the conversation that the isolation asks for, opening it first if need be.
  func send(_ exchange: Exchange, _ message: RawSpan, _ cluster: Cluster, _ profile: Cluster.Profile) {
    let id = exchange.id
    if profile.transport == .embedded { return sendEmbedded(id, message) }
    let binding = exchange.binding ?? self.binding(for: exchange, cluster)
    exchange.binding = binding
    let speaksTooHigh = exchange.logLevel.map { binding.lowerLogLevel(to: $0) } ?? false
    let caller = binding.owner == nil ? exchange.session?.id : nil
    switch binding.access(UpstreamSession.Waiter(worker: index, exchange: id), of: caller) {
    case .open(let open):
      if speaksTooHigh, profile.revision.era == .legacy {
        guard park(exchange, message) else { return }
        return settleLogLevel(binding, open) { [unowned self] in resumeParked(id, failure: nil) }
      }
      carry(exchange, message, open)
    case .unheard(let open):
      // What the server asks or tells in the course of the call must find an open stream.
      guard park(exchange, message) else { return }
      if hear(binding, open, for: UpstreamSession.Waiter(worker: index, exchange: id)) {
        resumeParked(id, failure: nil)
      }
    case .waiting:
      _ = park(exchange, message)
    case .yours:
      _ = park(exchange, message)
      // Others may wait for it by now.
      open(binding, profile)
    case .closed:
      fail(id, GatewayError(.sessionUnknown))
    }
  }

  func binding(for exchange: Exchange, _ cluster: Cluster) -> UpstreamSession {
    switch cluster.isolation {
    case .shared:
      return gateway.sharedUpstream(cluster)
    case .principal, .session:
      let session = exchange.session
      if cluster.isolation == .session, let session { return session.upstream(cluster) }
      return gateway.principalUpstream(cluster, principal(of: exchange), abilities: session?.abilities ?? [])
    }
  }

  /// The conversation is open (or could not be opened): the exchange that waited goes on.
  func resumeParked(_ id: ExchangeID, failure: String?) {
    guard let exchange = exchanges.find(id), let cluster = exchange.cluster, let message = unpark(exchange) else {
      return
    }
    if let failure { return fail(id, .unavailable(cluster, failure, retryAfter: 1000)) }
    guard let profile = cluster.profile else {
      // The gateway's own questions come before it has said what the upstream is.
      if case .local = exchange.origin, let open = exchange.binding?.current {
        return carry(exchange, message.rawBytes, open)
      }
      return fail(id, .unavailable(cluster, "went away", retryAfter: 1000))
    }
    send(exchange, message.rawBytes, cluster, profile)
  }

  /// Sends a message through an open conversation.
  func carry(_ exchange: Exchange, _ message: RawSpan, _ open: UpstreamSession.Open) {
    exchange.opened = open
    if let link = open.link {
      if exchange.isNotice {
        sendLink(link, message, nil)
        return finish(exchange.id)
      }
      exchange.carrier = .link(link)
      return sendLink(link, message, exchange.id)
    }
    guard let cluster = exchange.cluster else { return }
    if open.http != nil {
      let reader = exchange.reader ?? takeReader()
      exchange.reader = reader
      keep(message, of: exchange, in: reader)
    }
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.requestHead)
    appendSession(open)
    headScratch.buffer.append(contentLength: message.byteCount)
    headScratch.buffer.appendHeadEnd()
    post(exchange, message, cluster)
  }

  /// The upstream has ended the session before it took the call (404): once, the call goes out again in a new one. False
  /// if it can't.
  func repeatInNewSession(_ id: ExchangeID, _ reader: ResponseReader) -> Bool {
    let exchange = exchanges[id]
    guard !exchange.retried, let message = reader.kept, let cluster = exchange.cluster, let profile = cluster.profile
    else { return false }
    exchange.retried = true
    uncover(reader)
    reader.reset()
    send(exchange, message.rawBytes, cluster, profile)
    return true
  }

  /// The header lines that every request of an open legacy conversation carries.
  func appendSession(_ open: UpstreamSession.Open) {
    if let id = open.http?.id { headScratch.buffer.append(header: .mcpSessionID, id.rawBytes) }
    if open.revision.hasVersionHeader { headScratch.buffer.append(header: .mcpProtocolVersion, open.revision.label) }
  }

  /// Sends head scratch and a body over an idle connection or a new one.
  func post(_ exchange: Exchange, _ message: RawSpan, _ cluster: Cluster) {
    if exchange.reader == nil { exchange.reader = takeReader() }
    let tag = tag(.exchange, exchange.id.rawValue)
    let stake = exchange.stake ?? stake(in: cluster)
    while let connection = stake.pool.take(now: now) {
      loop.setTag(connection, tag)
      guard loop.send(connection, headBytes, message) != .stale else {
        // The upstream has ended it, which was seen before anything was sent.
        loop.abort(connection)
        continue
      }
      exchange.carrier = .connection(connection)
      return
    }
    guard let endpoint = cluster.endpoint, let connection = loop.connect(endpoint, tag: tag) else {
      return fail(exchange.id, .overloaded)
    }
    exchange.carrier = .connection(connection)
    loop.send(connection, headBytes, message)
  }
}
