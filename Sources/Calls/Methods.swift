import Catalogue
import Clusters
import Delivery
import MCP
import OpenCalls
import Reactor
import Routing
import ServedCatalogue
import Sessions
import Translation
import Wire
import Workers

/// What the gateway does with each request, in either era: answer it itself, or carry it to the upstream that owns it.
final class Methods {
  private let context: CallsContext
  private let sessions: SessionsShared
  private let catalogues: ShelfReader
  private let open: OpenCalls
  private let answers: Answers
  private let forwarding: Forwarding
  private let lists: ListServer
  private let subscribing: SubscribeMethods
  private let upstreams: SessionUpstreams
  private let links: LearnedURIs

  init(
    _ context: CallsContext, _ open: OpenCalls, _ answers: Answers, _ forwarding: Forwarding, _ lists: ListServer,
    _ subscribing: SubscribeMethods, _ upstreams: SessionUpstreams, _ links: LearnedURIs
  ) {
    self.context = context
    sessions = context.sessions
    catalogues = context.catalogues
    self.open = open
    self.answers = answers
    self.forwarding = forwarding
    self.lists = lists
    self.subscribing = subscribing
    self.upstreams = upstreams
    self.links = links
  }

  func serve(
    _ reply: ReplyTo, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision,
    batch: AnswerBatch? = nil, own: OwnCall? = nil
  ) {
    guard let call = open.begin(reply, session, envelope, client: revision, batch, own) else {
      // This worker holds as many calls as it can name.
      return answers.refuse(reply, session, .overloaded, envelope, revision.era, batch)
    }
    guard envelope.method.isRequest(in: revision) else {
      return open.fail(call, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
    switch envelope.method {
    case .ping:
      open.answer(call, result: ("{}" as StaticString).bytes)
    case .initialize:
      // A second one in the same session: answered afresh, as SDK servers do.
      initializeAgain(call, session)
    case .toolsList: lists.serve(call, .tools, view, envelope)
    case .promptsList: lists.serve(call, .prompts, view, envelope)
    case .resourcesList: lists.serve(call, .resources, view, envelope)
    case .resourcesTemplatesList: lists.serve(call, .templates, view, envelope)
    case .toolsCall, .promptsGet, .resourcesRead, .completionComplete, .resourcesSubscribe, .resourcesUnsubscribe:
      route(call, view, envelope)
    case .loggingSetLevel: setLevel(call, view, envelope)
    case .serverDiscover: discover(call, view)
    case .other: pass(call, view, envelope)
    default:
      open.fail(call, GatewayError(.methodNotFound, message: "Method not found: \(envelope.methodName.text)"))
    }
  }

  // MARK: Answered here

  private func initializeAgain(_ call: Call, _ session: Session?) {
    guard let session else { return open.fail(call, GatewayError(.methodNotFound)) }
    var result = ByteBuffer()
    sessions.append(initializeResultOf: session, to: &result)
    open.answer(call, result: result.bytes)
  }

  private func discover(_ call: Call, _ view: CatalogueView) {
    var result = ByteBuffer()
    result.append(discoverResult: sessions.shelf.catalogue(of: .modern).offer(view))
    open.answer(call, result: result.bytes)
  }

  private func setLevel(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    guard let level = LogLevel(token: envelope.value(Param.level)) else {
      return open.fail(call, GatewayError(.invalidParams, message: "Invalid params: unknown log level"))
    }
    guard let session = call.session else { return open.answer(call, result: ("{}" as StaticString).bytes) }
    let sessions = sessions
    sessions.table.setLevel(level, of: session) { sessions.tell($0, of: session) }
    let id = call.id
    upstreams.spreadLogLevel(session) { [unowned self] in
      if let call = open.find(id) { open.answer(call, result: ("{}" as StaticString).bytes) }
    }
  }

  // MARK: Carried to an upstream

  /// A call by name or URI: its route, then its upstream.
  private func route(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    let target = CallTarget(envelope)
    guard let token = target.token, let contents = JSON.contents(of: envelope.message[token]) else {
      return open.fail(call, GatewayError(.invalidParams, message: "Invalid params: \(Self.missing(envelope.method))"))
    }
    guard JSON.isEscaped(contents) else { return route(call, view, envelope, target, contents) }
    var plain = ByteBuffer()
    guard JSON.unescape(contents, into: &plain) else {
      return open.fail(call, GatewayError(.invalidParams, message: "Invalid params: a name that is not valid text"))
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
    if let overlay = call.withSession({ $0.overlay }) ?? nil {
      return route(call, view, envelope, target, text, in: overlay)
    }
    catalogues.look(at: call.clientRevision.era) { route(call, view, envelope, target, text, in: $0) }
  }

  private func route(
    _ call: Call, _ view: CatalogueView, _ envelope: Envelope, _ target: CallTarget, _ text: RawSpan,
    in catalogue: ServedCatalogue
  ) {
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
      found = routes.route(resource: text, view: view, learned: links[call])
      if envelope.method == .resourcesRead {
        call.requestedURI = JSON.contents(of: envelope.message[place])?.array ?? []
      }
    case .template:
      kind = .templates
      found = routes.route(template: text, view: view, learned: links[call])
    case .missing, .none:
      return
    }
    switch found {
    case .failure(let error): open.fail(call, error)
    case .success(let route):
      catalogue.withCluster(at: route.upstream) {
        follow(call, envelope, target, route, kind, catalogue.routes, $0, text)
      }
    }
  }

  /// Carries a call along its route, under the upstream's own name.
  private func follow(
    _ call: Call, _ envelope: Envelope, _ target: CallTarget, _ route: Route, _ kind: ListKind,
    _ routes: Routes, _ cluster: Cluster, _ text: RawSpan
  ) {
    switch envelope.method {
    case .resourcesSubscribe, .resourcesUnsubscribe:
      guard subscribing.isForUpstream(call, envelope.method, cluster, route, routes, text) else { return }
    case .completionComplete where cluster.profile?.offer.capabilities.contains(.completions) == false:
      // Servers differ in what they say of a method that they lack; the client hears the same of all.
      return open.fail(call, GatewayError(.serverNotCapable, server: cluster.alias))
    default:
      break
    }
    let entry = route.entry
    switch route.rename {
    case .keep:
      forwarding.forward(call, envelope, target, cluster, .keep, plain: text, routes, route.upstream, kind, entry)
    case .listed:
      guard let entry else { return open.fail(call, .internalError("a listed name without its entry")) }
      let listed = routes.entry(kind, entry)
      forwarding.forward(
        call, envelope, target, cluster, .token(listed.ownToken.rawBytes), plain: listed.own.rawBytes, routes,
        route.upstream,
        kind, entry)
    case .cut(let slice):
      var plain = ByteBuffer(capacity: text.byteCount)
      plain.append(text, cutting: slice)
      forwarding.forward(
        call, envelope, target, cluster, .text(plain.bytes), plain: plain.bytes, routes, route.upstream, kind, entry
      )
    }
  }

  /// Carries a request that no revision has to the server that a client looks at.
  private func pass(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    call.looksAtAll = view == .all
    let catalogue = sessions.catalogue(for: call.session)
    guard let place = catalogue.onlyServer(in: view) else {
      return open.fail(call, .amongSeveral(envelope.methodName.text, "the server that has it"))
    }
    let cluster = catalogue.clusters[place]
    guard Forwarding.canCarry(envelope.methodName, cluster.profile) else {
      return open.fail(
        call, GatewayError(.methodNotFound, message: "Method not found: its name can't stand in a header"))
    }
    forwarding.forward(call, envelope, .none, cluster, .keep, plain: RawSpan(), catalogue.routes, place, .tools, nil)
  }

  // MARK: Once more

  /// A client's request is routed and sent once more.
  func again(_ id: CallID, _ message: [UInt8]) {
    guard let call = open.find(id) else { return }
    let view = call.looksAtAll ? CatalogueView.all : .only(upstream: call.server)
    forwarding.clientParameters = call.mirrored
    defer { forwarding.clientParameters = [] }
    let envelopes = context.worker.requestScanner
    let envelope = envelopes.scan(message.rawBytes, depth: context.settings.depth)
    if case .other = envelope.method { pass(call, view, envelope) } else { route(call, view, envelope) }
  }
}
