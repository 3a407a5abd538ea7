import MCP
import Reactor
import Wire

/// Paths, Host, Origin and CORS of the client listener; what passes goes to the era it belongs to.
extension Worker {
  /// What a path names.
  private enum Path {
    case endpoint(CatalogueView)
    /// `GET /mcp/sse` of HTTP+SSE.
    case eventStream
    /// `POST /mcp/messages` of HTTP+SSE.
    case messages
    /// The opening of a WebSocket.
    case socket(CatalogueView)
    case echo
    case unknown
  }

  /// The WebSocket listener serves nothing but WebSockets, and takes the root for them too. A slash at the end, which some
  /// clients and people add, means nothing.
  private func path(_ bytes: RawSpan, onSocketListener: Bool) -> Path {
    let path = path(bytes.withoutLastSlash)
    guard onSocketListener else { return path }
    if bytes.equals("/") { return .socket(.all) }
    if case .socket = path { return path }
    return .unknown
  }

  private func path(_ bytes: RawSpan) -> Path {
    if gateway.debugEcho, bytes.equals("/debug/echo") { return .echo }
    guard bytes.hasPrefix("/mcp") else { return .unknown }
    var rest = bytes.extracting(4..<bytes.byteCount)
    if rest.byteCount == 0 { return .endpoint(.all) }
    guard rest[byte: 0] == UInt8(ascii: "/") else { return .unknown }
    rest = rest.extracting(1..<rest.byteCount)
    if rest.equals("sse") { return .eventStream }
    if rest.equals("messages") { return .messages }
    if rest.equals("ws") { return .socket(.all) }
    if rest.byteCount > 3, rest.extracting((rest.byteCount - 3)..<rest.byteCount).equals("/ws") {
      let alias = rest.extracting(0..<(rest.byteCount - 3))
      for cluster in gateway.clusters where cluster.isNamed(alias) {
        return .socket(.only(upstream: cluster.number))
      }
      return .unknown
    }
    for cluster in gateway.clusters where cluster.isNamed(rest) {
      return .endpoint(.only(upstream: cluster.number))
    }
    return .unknown
  }

  func serveHTTP(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    let onSocketListener = loop.listenerLabel(of: connection) == ListenerLabel.webSocket
    let policy = onSocketListener ? socketOrigins : httpOrigins
    if let refusal = policy.check(head) { return refuse(connection, refusal, id: nil, .legacy) }
    let path = path(head.path, onSocketListener: onSocketListener)
    switch path {
    case .socket(let view): return openSocket(connection, view, head)
    case .echo: return openEcho(connection, head)
    default: break
    }
    if let origin = head.header(.origin), head.method != .options {
      delivery.answers.expect(connection, from: origin)
    }
    if case .unknown = path {
      return refuse(
        connection,
        GatewayError(
          .notFound,
          message: onSocketListener
            ? "this listener serves WebSockets, at / and /mcp/ws"
            : "nothing is served at this path; the MCP endpoint is /mcp"), id: nil, .legacy)
    }
    if head.method == .options { return preflight.answer(connection, head) }
    switch path {
    case .endpoint(let view): serveEndpoint(connection, view, head, body)
    case .eventStream: openEventStream(connection, head)
    case .messages: receiveMessages(connection, head, body)
    case .socket, .echo, .unknown: break
    }
  }

  private func serveEndpoint(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ body: RawSpan
  ) {
    guard head.method == .post else {
      switch Inbound.classify(head) {
      case .stream: return openStandalone(connection, view, head)
      case .terminate: return terminate(connection, view, head)
      case .reject(let error): return refuse(connection, error, id: nil, .legacy)
      default: return refuse(connection, GatewayError(.methodNotAllowed), id: nil, .legacy)
      }
    }
    let envelopes = requestScanner
    let envelope = envelopes.scan(body, depth: settings.depth)
    switch Inbound.classify(head, envelope, scratch: &headScratch.buffer) {
    case .modern:
      serveModern(connection, view, head, envelope)
    case .modernNotification(let method):
      guard admits(.notification, .post(connection), .streamableHTTP, nil, id: nil, .modern) else { return }
      accept(connection)
      guard method == .other else { return }
      calls.passNotification(
        nil, view, envelope, .r20260728, from: party(of: connection), mirrored: MirroredLine.ofOther(head))
    case .legacyInitialize(let revision):
      initialize(connection, view, head, envelope, revision)
    case .legacyRequest, .legacyNotification, .legacyResponse, .legacyBatch:
      serveSession(connection, view, head, envelope)
    case .stream, .terminate:
      refuse(connection, GatewayError(.methodNotAllowed), id: nil, .legacy)
    case .reject(let error):
      let modern = envelope.value(MetaKey.protocolVersion) != nil
      refuse(connection, error, id: Self.answerableID(envelope, error), modern ? .modern : .legacy)
    }
  }

  /// The id under which a refused message is answered: null for what is no request, or could not be read [3].
  @_lifetime(copy envelope)
  static func answerableID(_ envelope: Envelope, _ error: GatewayError) -> RawSpan? {
    guard error.kind != .parseError, envelope.kind != .result, envelope.kind != .error,
      envelope.idKind == .integer || envelope.idKind == .string
    else { return nil }
    return envelope.id
  }

  // MARK: Admission

  /// Whether a client may begin that. If not it has been told so, in an answer with that id.
  @inline(__always)
  func admits(
    _ kind: Arrival.Kind, _ path: ReplyPath, _ transport: TransportKind, _ session: Session?, id: RawSpan?, _ era: Era
  ) -> Bool {
    let arrival = Arrival(kind: kind, transport: transport, connection: path.connection, session: session)
    guard case .refuse(let error) = judge(arrival, session?.view) else { return true }
    if !arrival.isUnanswered { refuse(path, error, id: id, era) }
    return false
  }

  /// Takes a session in, if need be in place of one that its client has never used, which then hears 404 and opens another.
  /// False if there are as many as there may be.
  func takeIn(_ session: Session) -> Bool {
    session.hears(after: gateway.listNews.last)
    switch gateway.sessions.insert(session, now: now) {
    case .admitted: return true
    case .inPlaceOf(let other):
      if let unused = gateway.sessions.find(other) { end(unused) }
      return true
    case .full: return false
    }
  }

  // MARK: Answers without an exchange

  func refuse(_ path: ReplyPath, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    switch path {
    case .post(let connection): refuse(connection, error, id: id, era)
    case .socket(let reply): refuse(reply, error, id: id, era)
    }
  }

  func accept(_ path: ReplyPath) {
    if case .post(let connection) = path { accept(connection) }
  }
}
