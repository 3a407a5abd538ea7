import MCP
import Reactor
import Routing
import Wire

/// From a client's request to the upstream's door.
extension Worker {
  /// Opens an exchange for a client's request. nil, and the client answered, when this worker holds too many.
  func beginExchange(
    _ origin: Exchange.Origin, _ session: Session?, _ envelope: Envelope, client: Revision
  ) -> ExchangeID? {
    guard let id = exchanges.make(origin) else { return nil }
    exchanges[id].session = session
    exchanges[id].clientRevision = client
    exchanges[id].method = envelope.method
    if let clientID = envelope.id { exchanges[id].clientID.buffer.append(clientID) }
    if let token = envelope.value(MetaKey.progressToken) { exchanges[id].progressToken.buffer.append(token) }
    exchanges[id].startedAt = now
    exchanges[id].deadline = now + settings.callTimeout
    exchanges[id].decideAt = now + GatewayState.decisionDelay
    session?.callBegan()
    if case .post(let connection) = origin { loop.setTag(connection, tag(.exchange, id.rawValue)) }
    armSweep()
    return id
  }

  /// Carries a client's request to its upstream. `plain` is the upstream's own name or URI, unescaped.
  func forward(
    _ id: ExchangeID, _ envelope: Envelope, _ target: CallTarget, _ cluster: Cluster, _ change: NameChange,
    plain: RawSpan, _ routes: Routes, _ place: Int, _ kind: ListKind, _ entry: Int?
  ) {
    if exchanges[id].isCounted, let before = exchanges[id].cluster {
      // It goes out once more, perhaps to a server that changed meanwhile.
      stake(in: before).callsInFlight -= 1
      exchanges[id].isCounted = false
    }
    exchanges[id].cluster = cluster
    guard let profile = readyProfile(of: cluster, for: id) else { return }
    let stake = stake(in: cluster)
    guard stake.callsInFlight < settings.callsPerUpstream else {
      return fail(id, .busy(cluster, "\(settings.callsPerUpstream) calls to it are in flight"))
    }
    stake.callsInFlight += 1
    exchanges[id].isCounted = true
    let revision = profile.revision(for: exchanges[id].clientRevision)
    exchanges[id].serverRevision = revision
    exchanges[id].marksResources = exchanges[id].looksAtAll && routes.catalogue.upstreams[place].marksResources
    if kind == .tools, let entry { exchanges[id].hasNonObjectOutput = routes.entry(.tools, entry).hasNonObjectOutput }
    var level: LogLevel?
    if exchanges[id].clientRevision.era == .modern {
      level = LogLevel(token: envelope.value(MetaKey.logLevel))
      exchanges[id].logLevel = level
    } else if revision.era == .modern {
      level = exchanges[id].session?.withState { $0.logLevel }
    }
    splice.reset()
    RequestTranslation.request(
      envelope, hop(exchanges[id]), id: id.rawValue,
      progressToken: exchanges[id].progressToken.isEmpty ? nil : id.rawValue, name: change, target: target,
      meta: gateway.requestMeta(level), splice: &splice)
    bodyScratch.buffer.clear(keepingAtMost: 256 << 10)
    guard splice.write(envelope.message, into: &bodyScratch.buffer, flatten: profile.transport == .stdio) else {
      return fail(id, .internalError("the request could not be rewritten"))
    }
    guard revision.era == .modern else { return send(id, bodyBytes, cluster, profile) }
    let reader = takeReader()
    exchanges[id].reader = reader
    reader.keep(envelope.message)
    guard profile.transport == .streamableHTTP else { return send(id, bodyBytes, cluster, profile) }
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.requestHead)
    let parameters = kind == .tools && entry != nil ? routes.entry(.tools, entry!).parameters : []
    headScratch.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: plain,
      arguments: envelope.value(Param.arguments), parameters: parameters.span, client: clientParameters)
    headScratch.buffer.append(contentLength: bodyScratch.count)
    headScratch.buffer.appendHeadEnd()
    post(id, bodyBytes, cluster)
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
  func send(_ id: ExchangeID, _ message: RawSpan, _ cluster: Cluster, _ profile: Cluster.Profile) {
    if profile.transport == .embedded { return sendEmbedded(id, message) }
    let binding = exchanges[id].binding ?? self.binding(for: id, cluster)
    exchanges[id].binding = binding
    let speaksTooHigh = exchanges[id].logLevel.map { binding.lowerLogLevel(to: $0) } ?? false
    switch binding.access(UpstreamSession.Waiter(worker: index, exchange: id)) {
    case .open(let open):
      if speaksTooHigh, profile.revision.era == .legacy {
        exchanges[id].parked = message.array
        return settleLogLevel(binding, open) { [unowned self] in resumeParked(id, failure: nil) }
      }
      if exchanges[id].method == .resourcesSubscribe {
        // What it brings must find an open stream.
        exchanges[id].parked = message.array
        guard hear(binding, open, for: UpstreamSession.Waiter(worker: index, exchange: id)) else { return }
        guard let message = exchanges[id].parked else { return }
        exchanges[id].parked = nil
        return carry(id, message.rawBytes, open)
      }
      carry(id, message, open)
    case .waiting:
      exchanges[id].parked = message.array
    case .yours:
      exchanges[id].parked = message.array
      open(binding, profile)
    case .closed:
      fail(id, GatewayError(.sessionUnknown))
    }
  }

  func binding(for id: ExchangeID, _ cluster: Cluster) -> UpstreamSession {
    switch cluster.isolation {
    case .shared:
      return gateway.sharedUpstream(cluster)
    case .principal, .session:
      if cluster.isolation == .session, let session = exchanges[id].session { return session.upstream(cluster) }
      return gateway.principalUpstream(
        cluster, principal(of: id), abilities: exchanges[id].session?.abilities ?? [])
    }
  }

  /// The conversation is open (or could not be opened): the exchange that waited goes on.
  func resumeParked(_ id: ExchangeID, failure: String?) {
    guard exchanges.contains(id), let message = exchanges[id].parked, let cluster = exchanges[id].cluster else {
      return
    }
    exchanges[id].parked = nil
    if let failure { return fail(id, .unavailable(cluster, failure, retryAfter: 1000)) }
    guard let profile = cluster.profile else {
      // The gateway's own questions come before it has said what the upstream is.
      if case .local = exchanges[id].origin, let open = exchanges[id].binding?.current {
        return carry(id, message.rawBytes, open)
      }
      return fail(id, .unavailable(cluster, "went away", retryAfter: 1000))
    }
    send(id, message.rawBytes, cluster, profile)
  }

  /// Sends a message through an open conversation.
  func carry(_ id: ExchangeID, _ message: RawSpan, _ open: UpstreamSession.Open) {
    exchanges[id].opened = open
    if let link = open.link {
      exchanges[id].carrier = .link(link)
      return sendLink(link, message, id)
    }
    guard let cluster = exchanges[id].cluster else { return }
    if !open.httpSession.isEmpty {
      let reader = exchanges[id].reader ?? takeReader()
      exchanges[id].reader = reader
      reader.keep(message)
    }
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.requestHead)
    appendSession(open)
    headScratch.buffer.append(contentLength: message.byteCount)
    headScratch.buffer.appendHeadEnd()
    post(id, message, cluster)
  }

  /// The upstream has ended the session before it took the call (404): once, the call goes out again in a new one. False
  /// if it can't.
  func repeatInNewSession(_ id: ExchangeID, _ reader: ResponseReader) -> Bool {
    guard !exchanges[id].retried, let message = reader.kept, let cluster = exchanges[id].cluster,
      let profile = cluster.profile
    else { return false }
    exchanges[id].retried = true
    reader.reset()
    send(id, message.rawBytes, cluster, profile)
    return true
  }

  /// The header lines that every request of an open legacy conversation carries.
  func appendSession(_ open: UpstreamSession.Open) {
    if !open.httpSession.isEmpty { headScratch.buffer.append(header: .mcpSessionID, open.httpSession.rawBytes) }
    if open.revision.hasVersionHeader { headScratch.buffer.append(header: .mcpProtocolVersion, open.revision.label) }
  }

  /// Sends head scratch and a body over an idle connection or a new one.
  func post(_ id: ExchangeID, _ message: RawSpan, _ cluster: Cluster) {
    let reader = exchanges[id].reader ?? takeReader()
    exchanges[id].reader = reader
    let tag = tag(.exchange, id.rawValue)
    let stake = stake(in: cluster)
    while let connection = stake.pool.take(now: now) {
      loop.setTag(connection, tag)
      guard loop.send(connection, headBytes, message) != .stale else {
        // The upstream has ended it, which was seen before anything was sent.
        loop.abort(connection)
        continue
      }
      exchanges[id].carrier = .connection(connection)
      return
    }
    guard let endpoint = cluster.endpoint, let connection = loop.connect(endpoint, tag: tag) else {
      return fail(id, .overloaded)
    }
    exchanges[id].carrier = .connection(connection)
    loop.send(connection, headBytes, message)
  }
}
