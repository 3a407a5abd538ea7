import Delivery
import MCP
import OpenCalls
import Reactor
import Wire
import Workers

/// Where requests come in at the client listeners: Host, Origin and CORS are looked at, and what passes goes to the front that
/// its path names. A front is made here, and what it serves is in `Paths`.
public final class Doorway {
  private let context: FrontContext
  private let loop: EventLoop
  private let answers: HTTPAnswers
  private let preflight: Preflight
  private let paths: Paths
  private var httpOrigins: OriginPolicy
  private var socketOrigins: OriginPolicy
  private let endpoints: StreamableHTTPFront
  private let eventStreams: EventStreamFront
  private let webSockets: WebSocketFront

  public init(_ context: FrontContext, hasEcho: Bool) {
    self.context = context
    loop = context.loop
    answers = context.answers
    preflight = Preflight(context.worker)
    paths = Paths(context.shelf, hasEcho: hasEcho)
    httpOrigins = .ofHTTP(context.settings)
    socketOrigins = .ofWebSocket(context.settings)
    let openings = SessionOpenings(context)
    let tickets = SessionTickets(context, openings)
    endpoints = StreamableHTTPFront(context, openings, tickets)
    eventStreams = EventStreamFront(context, openings, tickets)
    webSockets = WebSocketFront(context, openings)
  }

  /// The configuration was read again.
  public func adopt(_ settings: Settings) {
    httpOrigins = .ofHTTP(settings)
    socketOrigins = .ofWebSocket(settings)
  }

  public func request(_ connection: ConnectionID, _ head: RequestHead, _ body: RawSpan) {
    let onSocketListener = loop.listenerLabel(of: connection) == ListenerLabel.webSocket
    let policy = onSocketListener ? socketOrigins : httpOrigins
    if let refusal = Lent(policy).with({ $0.check(head) }) {
      return answers.refuse(connection, refusal, id: nil, .legacy)
    }
    let path = paths.name(of: head.path, onSocketListener: onSocketListener)
    switch path {
    case .socket(let view): return webSockets.open(connection, view, head)
    case .echo: return webSockets.openEcho(connection, head)
    default: break
    }
    if let origin = head.header(.origin), head.method != .options { answers.expect(connection, from: origin) }
    if case .unknown = path {
      return answers.refuse(
        connection,
        GatewayError(
          .notFound,
          message: onSocketListener
            ? "this listener serves WebSockets, at / and /mcp/ws"
            : "nothing is served at this path; the MCP endpoint is /mcp"), id: nil, .legacy)
    }
    if head.method == .options { return preflight.answer(connection, head) }
    let names = context.settings.routingHeaders
    if !names.isEmpty { context.calls.routeBy(RoutingHeader.all(of: head, named: names)) }
    defer { if !names.isEmpty { context.calls.routeBy([]) } }
    switch path {
    case .endpoint(let view): endpoints.serve(connection, view, head, body)
    case .eventStream: eventStreams.open(connection, head)
    case .messages: eventStreams.receive(connection, head, body)
    case .socket, .echo, .unknown: break
    }
  }

  /// A message of a WebSocket.
  public func received(_ socket: SocketID, _ message: RawSpan, binary: Bool) {
    webSockets.received(socket, message, binary: binary)
  }
}
