import MCP
import Reactor
import Routing
import Wire

/// What the gateway does with each request, in either era: answer it itself, or carry it to the upstream that owns it.
extension Worker {
  func serve(
    _ origin: Call.Origin, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope,
    _ revision: Revision
  ) {
    guard let call = begin(origin, session, envelope, client: revision) else {
      return refuseOverloaded(origin, session, envelope, revision.era)
    }
    guard envelope.method.isRequest(in: revision) else {
      return fail(call, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
    switch envelope.method {
    case .ping:
      answer(call, result: ("{}" as StaticString).bytes)
    case .initialize:
      // A second one in the same session: answered afresh, as SDK servers do.
      initializeAgain(call, session)
    case .toolsList: list(call, .tools, view, envelope)
    case .promptsList: list(call, .prompts, view, envelope)
    case .resourcesList: list(call, .resources, view, envelope)
    case .resourcesTemplatesList: list(call, .templates, view, envelope)
    case .toolsCall, .promptsGet, .resourcesRead, .completionComplete, .resourcesSubscribe, .resourcesUnsubscribe:
      self.call(call, view, envelope)
    case .loggingSetLevel: setLevel(call, view, envelope)
    case .serverDiscover: discover(call, view)
    case .other: pass(call, view, envelope)
    default:
      fail(call, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
  }

  /// This worker holds as many calls as it can name.
  private func refuseOverloaded(_ origin: Call.Origin, _ session: Session?, _ envelope: Envelope, _ era: Era) {
    if case .post(let connection) = origin { return refuse(connection, .overloaded, id: envelope.id, era) }
    var message = ByteBuffer()
    message.append(.overloaded, id: envelope.id, to: era)
    switch origin {
    case .batch(let batch, let position): batch.complete(position, message.bytes.array, on: self)
    case .eventStream: if let session { emit(message.bytes, to: session) }
    case .socket(let reply): send(message.bytes, reply)
    default: break
    }
  }

  // MARK: Answered here

  private func initializeAgain(_ call: Call, _ session: Session?) {
    guard let session else { return fail(call, GatewayError(.methodNotFound)) }
    var result = ByteBuffer()
    appendInitializeResult(of: session, to: &result)
    answer(call, result: result.bytes)
  }

  private func discover(_ call: Call, _ view: CatalogueView) {
    var result = ByteBuffer()
    result.append(discoverResult: gateway.catalogue(of: .modern).offer(view))
    answer(call, result: result.bytes)
  }

  private func setLevel(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    guard let level = LogLevel(token: envelope.value(Param.level)) else {
      return fail(call, GatewayError(.invalidParams, message: "Invalid params: unknown log level"))
    }
    guard let session = call.session else { return answer(call, result: ("{}" as StaticString).bytes) }
    let gateway = gateway
    gateway.sessions.setLevel(level, of: session) { gateway.tell($0, of: session) }
    let id = call.id
    spreadLogLevel(session) { [unowned self] in
      if let call = calls.find(id) { answer(call, result: ("{}" as StaticString).bytes) }
    }
  }

  // MARK: Carried to an upstream

  /// A call by name or URI: its route, then its upstream.
  func call(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    let target = CallTarget(envelope)
    guard let token = target.token, let contents = JSON.contents(of: envelope.message[token]) else {
      return fail(call, GatewayError(.invalidParams, message: "Invalid params: \(Self.missing(envelope.method))"))
    }
    guard JSON.isEscaped(contents) else { return route(call, view, envelope, target, contents) }
    var plain = ByteBuffer()
    guard JSON.unescape(contents, into: &plain) else {
      return fail(call, GatewayError(.invalidParams, message: "Invalid params: a name that is not valid text"))
    }
    route(call, view, envelope, target, plain.bytes)
  }

  private static func missing(_ method: Method) -> String {
    switch method {
    case .toolsCall, .promptsGet: "name must be a string"
    case .completionComplete: "ref must be of type ref/prompt with a name or of type ref/resource with a uri"
    default: "uri must be a string"
    }
  }

  private func route(
    _ call: Call, _ view: CatalogueView, _ envelope: Envelope, _ target: CallTarget, _ text: RawSpan
  ) {
    let catalogue = gateway.catalogue(for: call.session)
    let routes = catalogue.routes
    call.looksAtAll = view == .all
    let found: Result<Route, GatewayError>
    let kind: ListKind
    switch target {
    case .tool:
      kind = .tools
      found = routes.route(.tools, named: text, view: view)
    case .prompt:
      kind = .prompts
      found = routes.route(.prompts, named: text, view: view)
    case .resource(let place):
      kind = .resources
      found = routes.route(resource: text, view: view, learned: learnedLinks[principal(of: call)])
      if envelope.method == .resourcesRead {
        call.requestedURI = JSON.contents(of: envelope.message[place])?.array ?? []
      }
    case .template:
      kind = .templates
      found = routes.route(template: text, view: view, learned: learnedLinks[principal(of: call)])
    case .missing, .none:
      return
    }
    switch found {
    case .failure(let error): fail(call, error)
    case .success(let route): follow(call, envelope, target, route, kind, catalogue, text)
    }
  }

  /// Carries a call along its route, under the upstream's own name.
  private func follow(
    _ call: Call, _ envelope: Envelope, _ target: CallTarget, _ route: Route, _ kind: ListKind,
    _ catalogue: ServedCatalogue, _ text: RawSpan
  ) {
    let routes = catalogue.routes
    let cluster = catalogue.clusters[route.upstream]
    switch envelope.method {
    case .resourcesSubscribe, .resourcesUnsubscribe:
      guard isForUpstream(call, envelope.method, cluster, route, routes, text) else { return }
    case .completionComplete where cluster.profile?.offer.capabilities.contains(.completions) == false:
      // Servers differ in what they say of a method that they lack; the client hears the same of all.
      return fail(call, GatewayError(.serverNotCapable, server: cluster.alias))
    default:
      break
    }
    let entry = route.entry
    switch route.rename {
    case .keep:
      forward(call, envelope, target, cluster, .keep, plain: text, routes, route.upstream, kind, entry)
    case .listed:
      guard let entry else { return fail(call, .internalError("a listed name without its entry")) }
      let listed = routes.entry(kind, entry)
      forward(
        call, envelope, target, cluster, .token(listed.ownToken.rawBytes), plain: listed.own.rawBytes, routes,
        route.upstream,
        kind, entry)
    case .cut(let slice):
      var plain = ByteBuffer(capacity: text.byteCount)
      plain.append(text, cutting: slice)
      forward(
        call, envelope, target, cluster, .text(plain.bytes), plain: plain.bytes, routes, route.upstream, kind, entry
      )
    }
  }

  /// Keeps account of who subscribed to what. False if the upstream is not to be told by this request, which is then
  /// answered here: a modern one is told on the gateway's own listen, and a legacy one hears of the last to go alone.
  private func isForUpstream(
    _ call: Call, _ method: Method, _ cluster: Cluster, _ route: Route, _ routes: Routes, _ text: RawSpan
  ) -> Bool {
    guard let session = call.session, !cluster.isEmbedded, let profile = cluster.profile else { return true }
    let interest = ResourceInterest(text, route, routes)
    let isModern = profile.revision.era == .modern
    let subscribes = method == .resourcesSubscribe
    if isModern, !profile.offer.capabilities.contains(.resourcesSubscribe) {
      fail(call, GatewayError(.serverNotCapable, server: cluster.alias))
      return false
    }
    let subscription = subscribes ? Subscription(interest: interest, isCounted: isModern) : nil
    if let refusal = account(for: subscription, named: text, in: session, call) {
      fail(call, refusal)
      return false
    }
    guard isModern else {
      let binding = conversation(for: call, cluster)
      if subscribes {
        binding.subscribe(interest.uri, session.id, isMarked: route.rename != .keep)
        return true
      }
      if binding.unsubscribe(interest.uri, session.id), !isWanted(interest, in: binding) { return true }
      answer(call, result: ("{}" as StaticString).bytes)
      return false
    }
    let id = call.id
    tellUpstreams(of: [interest]) { worker in
      guard let call = worker.calls.find(id) else { return }
      if subscribes, worker.gateway.interests.isRefused(interest) {
        return worker.fail(
          call, .refused(cluster, "it does not tell of changes of this resource"))
      }
      call.subscribing = []
      worker.answer(call, result: ("{}" as StaticString).bytes)
    }
    return false
  }

  /// Notes what a session subscribes to under that name, or that it does not any more (nil). Why not, if it can't.
  private func account(
    for subscription: Subscription?, named text: RawSpan, in session: Session, _ call: Call
  ) -> GatewayError? {
    if subscription != nil, text.byteCount > settings.uriLimit {
      return GatewayError(
        .invalidParams, message: "Invalid params: a URI to subscribe to may have \(settings.uriLimit) bytes")
    }
    let named = text.array
    let home = Int(session.id.worker)
    let bytes = subscription?.bytes(named: named) ?? 0
    if subscription != nil, let refusal = take(bytes, for: session.party, on: home) { return refusal }
    let (gateway, interests, sessionID, limit) = (gateway, gateway.interests, session.id, settings.subscriptionLimit)
    let (before, isTaken) = session.withState { state -> (Subscription?, Bool) in
      let before = state.subscriptions[named]
      guard state.subscribe(named, subscription, atMost: limit) else { return (nil, false) }
      // Within the session's lock, so that who ends the session takes back what was counted here.
      interests.replace(before, by: subscription, named: named, of: sessionID, among: state.subscriptions)
      gateway.tell(named, isWanted: subscription != nil, of: session)
      return (before, true)
    }
    guard isTaken else {
      giveBack(bytes, of: session.party, on: home)
      return GatewayError(
        .invalidParams,
        message:
          "Invalid params: a session may have \(Session.mostSubscriptions) subscriptions, with URIs of \(limit) bytes in all"
      )
    }
    if let before { giveBack(before.bytes(named: named), of: session.party, on: home) }
    if subscription != nil, before == nil { call.subscribing = named }
    return nil
  }

  /// A subscription that came to nothing: the server refused it, or it can't be known what became of it.
  func forgetSubscription(_ call: Call) {
    let named = call.subscribing
    call.subscribing = []
    guard let session = call.session else { return }
    let (gateway, interests, sessionID) = (gateway, gateway.interests, session.id)
    let dropped = session.withState { state -> Subscription? in
      guard let before = state.subscriptions[named] else { return nil }
      _ = state.subscribe(named, nil, atMost: 0)
      interests.replace(before, by: nil, named: named, of: sessionID, among: state.subscriptions)
      gateway.tell(named, isWanted: false, of: session)
      return before
    }
    guard let dropped else { return }
    giveBack(dropped.bytes(named: named), of: session.party, on: Int(sessionID.worker))
    if dropped.isCounted { return tellUpstreams(of: [dropped.interest]) { _ in } }
    guard let request = call.request, let cluster = request.cluster else { return }
    _ = (request.session ?? conversation(for: call, cluster)).unsubscribe(dropped.interest.uri, sessionID)
  }
}
