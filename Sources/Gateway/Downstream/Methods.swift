import MCP
import Reactor
import Routing
import Wire

/// What the gateway does with each request, in either era: answer it itself, or carry it to the upstream that owns it.
extension Worker {
  func serve(
    _ origin: Exchange.Origin, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope,
    _ revision: Revision
  ) {
    guard let id = beginExchange(origin, session, envelope, client: revision) else {
      if case .post(let connection) = origin { refuse(connection, .overloaded, id: envelope.id, revision.era) }
      return
    }
    guard envelope.method.isRequest(in: revision) else {
      return fail(id, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
    switch envelope.method {
    case .ping:
      answer(id, result: ("{}" as StaticString).bytes)
    case .initialize:
      // A second one in the same session: answered afresh, as SDK servers do.
      initializeAgain(id, session)
    case .toolsList: list(id, .tools, view, envelope)
    case .promptsList: list(id, .prompts, view, envelope)
    case .resourcesList: list(id, .resources, view, envelope)
    case .resourcesTemplatesList: list(id, .templates, view, envelope)
    case .toolsCall: call(id, .tools, view, envelope)
    case .promptsGet: call(id, .prompts, view, envelope)
    case .resourcesRead: read(id, view, envelope)
    case .completionComplete: complete(id, view, envelope)
    case .resourcesSubscribe, .resourcesUnsubscribe: subscribe(id, view, envelope)
    case .loggingSetLevel: setLevel(id, view, envelope)
    case .serverDiscover: discover(id, view)
    default:
      fail(id, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
  }

  // MARK: Answered here

  private func initializeAgain(_ id: ExchangeID, _ session: Session?) {
    guard let session else { return fail(id, GatewayError(.methodNotFound)) }
    var result = ByteBuffer()
    result.append(initializeResult: gateway.catalogue.offer(session.view), revision: session.revision)
    answer(id, result: result.bytes)
  }

  private func discover(_ id: ExchangeID, _ view: CatalogueView) {
    var result = ByteBuffer()
    result.append(discoverResult: gateway.catalogue.offer(view))
    answer(id, result: result.bytes)
  }

  private func list(
    _ id: ExchangeID, _ kind: ListKind, _ view: CatalogueView, _ envelope: Envelope
  ) {
    var page = ByteBuffer()
    let fault = gateway.catalogue.append(
      kind, view, exchanges[id].clientRevision, cursor: envelope.value(Param.cursor), key: gateway.cursorKey, to: &page)
    if let fault { fail(id, fault) } else { answer(id, result: page.bytes) }
  }

  private func setLevel(_ id: ExchangeID, _ view: CatalogueView, _ envelope: Envelope) {
    guard let level = envelope.value(Param.level), LogLevel(token: level) != nil else {
      return fail(id, GatewayError(.invalidParams, message: "Invalid params: unknown log level"))
    }
    let raw = level.array
    exchanges[id].session?.withState { $0.logLevel = raw }
    if let session = exchanges[id].session { spreadLogLevel(raw, session) }
    answer(id, result: ("{}" as StaticString).bytes)
  }

  // MARK: Carried to an upstream

  /// A tool or a prompt, by its name.
  private func call(_ id: ExchangeID, _ kind: ListKind, _ view: CatalogueView, _ envelope: Envelope) {
    guard let member = envelope.member(Param.name), let contents = JSON.contents(of: envelope.message[member.value])
    else { return fail(id, GatewayError(.invalidParams, message: "Invalid params: name must be a string")) }
    let routes = gateway.catalogue.routes
    withPlain(id, contents) { name in
      follow(id, envelope, routes.route(kind, named: name, view: view), kind, member.value, name)
    }
  }

  private func read(_ id: ExchangeID, _ view: CatalogueView, _ envelope: Envelope) {
    guard let member = envelope.member(Param.uri), let contents = JSON.contents(of: envelope.message[member.value])
    else { return fail(id, GatewayError(.invalidParams, message: "Invalid params: uri must be a string")) }
    let routes = gateway.catalogue.routes
    withPlain(id, contents) { uri in
      follow(
        id, envelope, routes.route(resource: uri, view: view, learned: learnedLinks), .resources, member.value, uri)
    }
  }

  /// What a completion completes: an argument of a prompt, or of a resource template.
  private func complete(_ id: ExchangeID, _ view: CatalogueView, _ envelope: Envelope) {
    guard let ref = envelope.member(Param.ref) else {
      return fail(id, GatewayError(.invalidParams, message: "Invalid params: ref is missing"))
    }
    let object = envelope.message[ref.value]
    let routes = gateway.catalogue.routes
    if let name = JSON.findMember("name", in: object), let contents = JSON.contents(of: object[name.value]) {
      let place = name.value.shifted(by: ref.value.offset)
      return withPlain(id, contents) { name in
        follow(id, envelope, routes.route(.prompts, named: name, view: view), .prompts, place, name)
      }
    }
    if let uri = JSON.findMember("uri", in: object), let contents = JSON.contents(of: object[uri.value]) {
      let place = uri.value.shifted(by: ref.value.offset)
      return withPlain(id, contents) { uri in
        follow(
          id, envelope, routes.route(template: uri, view: view, learned: learnedLinks), .templates, place, uri)
      }
    }
    fail(id, GatewayError(.invalidParams, message: "Invalid params: ref needs a name or a uri"))
  }

  private func subscribe(_ id: ExchangeID, _ view: CatalogueView, _ envelope: Envelope) {
    guard let member = envelope.member(Param.uri), let contents = JSON.contents(of: envelope.message[member.value])
    else { return fail(id, GatewayError(.invalidParams, message: "Invalid params: uri must be a string")) }
    let subscribes = envelope.method == .resourcesSubscribe
    let routes = gateway.catalogue.routes
    withPlain(id, contents) { uri in
      let raw = uri.array
      exchanges[id].session?.withState { state in
        if subscribes { state.subscriptions.insert(raw) } else { state.subscriptions.remove(raw) }
      }
      let route = routes.route(resource: uri, view: view, learned: learnedLinks)
      if case .success(let found) = route, gateway.clusters[found.upstream].profile?.revision.era == .modern {
        // A modern upstream tells on the gateway's own listen.
        control?.resourceInterestChanged(gateway.clusters[found.upstream])
        return answer(id, result: ("{}" as StaticString).bytes)
      }
      follow(id, envelope, route, .resources, member.value, uri)
    }
  }

  /// The text of a name or URI, unescaped.
  private func withPlain(_ id: ExchangeID, _ contents: RawSpan, _ body: (RawSpan) -> Void) {
    guard JSON.isEscaped(contents) else { return body(contents) }
    var plain = ByteBuffer()
    guard JSON.unescape(contents, into: &plain) else {
      return fail(id, GatewayError(.invalidParams, message: "Invalid params: a name that is not valid text"))
    }
    body(plain.bytes)
  }

  /// Carries a call along its route, under the upstream's own name.
  private func follow(
    _ id: ExchangeID, _ envelope: Envelope, _ found: Result<Route, GatewayError>, _ kind: ListKind,
    _ place: Slice, _ text: RawSpan
  ) {
    switch found {
    case .failure(let error): fail(id, error)
    case .success(let route):
      var renaming = Renaming(place: place)
      switch route.rename {
      case .keep: break
      case .listed:
        if let entry = route.entry { renaming.token = gateway.catalogue.routes.ownToken(kind, entry) }
      case .cut(let slice):
        var token = ByteBuffer(capacity: text.byteCount + 2)
        var plain = ByteBuffer(capacity: text.byteCount)
        plain.append(text, cutting: slice)
        token.append(quoted: plain.bytes)
        renaming.token = token.bytes.array
      }
      forward(id, envelope, route, kind, renaming, text)
    }
  }
}
