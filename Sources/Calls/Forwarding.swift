import Catalogue
import Clusters
import Links
import MCP
import OpenCalls
import Reactor
import Routing
import ServedCatalogue
import Sessions
import Translation
import Upstream
import UpstreamClient
import UpstreamRequests
import Wire
import Workers

/// Carries clients' requests to their upstreams' doors.
final class Forwarding {
  private let context: CallsContext
  private let worker: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let body: Scratch
  private let sessions: SessionsShared
  private let upstream: UpstreamShared
  private let requests: Requests
  private let conversations: Conversations
  private let messages: UpstreamMessages
  private let open: OpenCalls
  private let faces: FaceWaits
  private let returns: ReturnWaits
  private let hedging: Hedging
  /// The `Mcp-Param-*` lines of the modern call that is being forwarded.
  var clientParameters: [MirroredLine] = []
  /// Header fields of the request in hand that servers choose an endpoint by.
  var routingHeaders: [RoutingHeader] = []

  init(_ context: CallsContext, _ open: OpenCalls, _ faces: FaceWaits, _ hedging: Hedging) {
    self.context = context
    worker = context.worker
    loop = context.loop
    head = context.head
    body = context.body
    sessions = context.sessions
    upstream = sessions.upstream
    requests = context.requests
    conversations = context.upstream.conversations
    messages = context.upstream.messages
    self.open = open
    self.faces = faces
    self.hedging = hedging
    returns = ReturnWaits(context, open)
  }

  private var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }
  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  /// Carries a client's request to its upstream. `plain` is the upstream's own name or URI, unescaped.
  func forward(
    _ call: Call, _ envelope: Envelope, _ target: CallTarget, _ cluster: Cluster, _ change: NameChange,
    plain: RawSpan, _ routes: Routes, _ place: Int, _ kind: ListKind, _ entry: Int?
  ) {
    call.server = cluster.number
    guard let speech = speech(of: cluster, for: call, envelope) else { return }
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
      if cluster.awaitsSecondFace, !call.hasAwaitedFace { return faces.hold(call, for: cluster, envelope) }
      level = call.session?.withState { $0.logLevel }
    }
    if cluster.hasSeveralEndpoints, call.routingKey == nil {
      call.routingKey = context.routingKey(of: call, cluster, envelope, routingHeaders)
    }
    let isModern = if case .modern = revision.era { speech.transport == .streamableHTTP } else { false }
    let endpoint = isModern ? context.endpoint(for: call, of: cluster) : cluster.leader
    guard let request = makeRequest(for: call, cluster, at: endpoint, revision) else {
      return open.fail(call, .busy(cluster, "\(worker.limits.callsPerUpstream) calls to it are in flight"))
    }
    if let tool, cluster.hasToolBreakers { request.tool = routes.key(ofTool: tool) }
    if request.retries.attempts == 0 {
      request.retries = RetryState(isRepeatable: isRepeatable(call.method, tool, cluster, routes))
    }
    worker.splice.reset()
    let id = request.id.rawValue
    RequestTranslation.request(
      envelope, call.hop, id: id, progressToken: call.progressToken.isEmpty ? nil : id, name: change, target: target,
      meta: upstream.requestMeta(level), splice: &worker.splice)
    body.clear()
    guard
      worker.splice.write(envelope.message, into: &body.buffer, flatten: speech.transport == .stdio)
    else {
      return open.fail(call, .internalError("the request could not be rewritten"))
    }
    guard case .modern = revision.era else { return send(call, request, bodyBytes, cluster, speech) }
    let reader = requests.takeReader()
    request.reader = reader
    requests.memory.keep(envelope.message, of: request, in: reader)
    guard case .streamableHTTP = speech.transport else { return send(call, request, bodyBytes, cluster, speech) }
    requests.beginHead(of: request)
    let start = head.count
    if !clientParameters.isEmpty { call.mirrored = clientParameters }
    let parameters = tool.map { routes.parameters(ofTool: $0) } ?? []
    head.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: plain,
      arguments: envelope.value(Param.arguments), parameters: parameters.span, client: clientParameters)
    if cluster.hedgesReads, call.method != .toolsCall, request.retries.isRepeatable {
      hedging.begins(call, request, lines: headBytes.extracting(start..<head.count), bodyBytes)
    }
    head.buffer.append(contentLength: body.count)
    head.buffer.appendHeadEnd()
    requests.post(request, bodyBytes)
  }

  /// Whether a request may be carried out twice: where it only asks for something, or its tool says so and is believed.
  private func isRepeatable(_ method: Method, _ tool: Int?, _ cluster: Cluster, _ routes: Routes) -> Bool {
    guard case .toolsCall = method else { return method.isRepeatable() }
    return cluster.trustsHints && tool.map { routes.isRepeatable(tool: $0) } == true
  }

  /// The request that a call is carried by; nil if its upstream has as many as it may have.
  private func makeRequest(
    for call: Call, _ cluster: Cluster, at endpoint: Int, _ revision: Revision
  ) -> UpstreamRequest? {
    var past: (RetryState, waitsUntil: UInt64)?
    if let former = call.request {
      // It goes out once more.
      call.redirects = former.redirects
      past = (former.retries, former.waitsUntil)
      call.request = nil
      if call.hedge != nil { call.hedge = nil }
      requests.end(former)
    }
    var endpoint = endpoint
    if let past, let other = requests.other(for: past.0, nil, in: cluster) { endpoint = other }
    guard let request = requests.make(.client(call.id.rawValue), cluster, at: endpoint, as: .call) else { return nil }
    if let past { (request.retries, request.waitsUntil) = past }
    if let key = call.routingKey { request.routingKey = key }
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
  private func speech(of cluster: Cluster, for call: Call, _ envelope: Envelope) -> Cluster.Speech? {
    if let speech = cluster.speech { return speech }
    switch cluster.health {
    case .ready(let profile), .stopped(let profile): return profile.speech
    case .unknown:
      // A command that was started is on its way; of a URL nothing is known.
      if !cluster.isAtURL, returns.hold(call, for: cluster, envelope) { break }
      open.fail(call, .unavailable(cluster, "has not answered yet", retryAfter: 1000))
    case .comingBack(let reason, _):
      if returns.hold(call, for: cluster, envelope) { break }
      open.fail(call, .unavailable(cluster, reason, retryAfter: 1000))
    case .down(let reason, let retryAt, _):
      open.fail(call, .unavailable(cluster, reason, retryAfter: retryAt > loop.now ? retryAt - loop.now : 1000))
    case .failed(let reason, _): open.fail(call, .failed(cluster, reason))
    }
    return nil
  }

  /// Sends a finished message through the conversation that the isolation asks for.
  private func send(
    _ call: Call, _ request: UpstreamRequest, _ message: RawSpan, _ cluster: Cluster, _ speech: Cluster.Speech
  ) {
    if case .embedded = speech.transport {
      return messages.sendEmbedded(request, message, abilities: call.session?.abilities ?? [])
    }
    let conversation = context.conversation(for: call, cluster)
    // It counts where it is going from now on: others choose meanwhile.
    if cluster.hasSeveralEndpoints, let place = conversation.endpoint { requests.direct(request, to: place) }
    request.session = conversation
    conversations.send(
      request, message, cluster, speech, in: conversation,
      of: conversation.owner == nil ? call.withSession { $0.id } : nil)
  }

  // MARK: Notifications

  /// Carries a notification that no revision has to the server that a client looks at. Nobody hears of it where there are several, or while
  /// the server is away.
  func notify(
    _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ client: Revision, from party: Party
  ) {
    let catalogue = sessions.catalogue(for: session)
    guard let place = catalogue.onlyServer(in: view) else { return }
    let cluster = catalogue.clusters[place]
    guard case .ready(let profile) = cluster.health, !cluster.isEmbedded, Self.canCarry(envelope.methodName, profile),
      let request = requests.make(.nobody, cluster, at: cluster.leader, as: .call)
    else { return }
    session?.noteUse()
    request.party = party
    request.revision = profile.revision
    request.deadline = loop.now + worker.limits.callTimeout
    worker.splice.reset()
    RequestTranslation.request(
      envelope, Hop(envelope.method, client: client, upstream: profile.revision), id: request.id.rawValue,
      progressToken: nil, name: .keep, target: .none, meta: upstream.meta, splice: &worker.splice)
    body.clear()
    guard worker.splice.write(envelope.message, into: &body.buffer, flatten: profile.transport == .stdio) else {
      return requests.end(request)
    }
    guard profile.revision.era == .modern, profile.transport == .streamableHTTP else {
      let conversation = context.conversation(with: cluster, for: session, party.principal)
      request.session = conversation
      return conversations.send(
        request, bodyBytes, cluster, profile.speech, of: conversation.owner == nil ? session?.id : nil)
    }
    requests.beginHead(of: request)
    head.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: nil, arguments: nil,
      parameters: [MirroredParameter]().span, client: clientParameters)
    head.buffer.append(contentLength: body.count)
    head.buffer.appendHeadEnd()
    requests.post(request, bodyBytes)
  }

  /// Modern servers want the method in a header too, and only so much can stand there.
  static func canCarry(_ name: RawSpan, _ profile: Cluster.Profile?) -> Bool {
    guard let profile, profile.revision.era == .modern, profile.transport == .streamableHTTP else { return true }
    var plain = ByteBuffer(capacity: name.byteCount)
    guard JSON.unescape(name, into: &plain), (1...1024).contains(plain.count) else { return false }
    let bytes = plain.bytes
    return (0..<bytes.byteCount).allSatisfy { (0x21...0x7E).contains(bytes[byte: $0]) }
  }
}
