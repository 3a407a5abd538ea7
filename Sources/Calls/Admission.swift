import MCP
import Reactor
import Sessions
import Wire
import Workers

/// What a client begins, as far as it matters to whether it may.
public struct Arrival {
  public enum Kind: Equatable, Sendable {
    case request(Method)
    case notification
    /// To what a server has asked.
    case response
    case batch
    /// A session that there is not yet: by `initialize`, or by the stream of HTTP+SSE.
    case opening
    /// A session that is known elsewhere, or was, is gone on with here.
    case resumption
    case listen
    /// The stream of a session, for messages of no call.
    case stream
    case webSocket
    case termination

    /// What a message is, once it is known that it is well formed.
    public init(_ envelope: Envelope) {
      self =
        switch envelope.kind {
        case .request: .request(envelope.method)
        case .result, .error: .response
        case .batch: .batch
        case .notification, .invalid: .notification
        }
    }
  }

  public var kind: Kind
  public var transport: TransportKind
  /// Over which it comes. Who asks there can be found while it is in hand: `WorkerContext.party(of:)`.
  public var connection: ConnectionID
  public var session: Session?

  public init(kind: Kind, transport: TransportKind, connection: ConnectionID, session: Session? = nil) {
    self.kind = kind
    self.transport = transport
    self.connection = connection
    self.session = session
  }

  /// Nobody waits for an answer to it that could say no.
  public var isUnanswered: Bool { transport == .webSocket && (kind == .notification || kind == .response) }
}

/// Whether what a client begins is begun: asked once for each thing, however it came and before anything is done for it. What
/// limits clients is looked at here and nowhere else; one for each worker.
public struct Admission {
  public enum Decision {
    case admit
    /// It is begun, and answered later: what the answer has to say is not known yet.
    case park
    case refuse(GatewayError)
  }

  /// How the gateway fares. Asked for where it matters.
  struct Condition: Equatable, Sendable {
    /// Nothing is begun that another process could begin.
    var isDraining = false
    /// There is no other process.
    var isEnding = false
    var isShortOfMemory = false
    /// It is being found out what a server is that the client looks at.
    var awaitsFaces = false
  }

  public static var sessionLimit: GatewayError { GatewayError(.sessionLimit, retryAfterMilliseconds: 10_000) }
  private static var draining: GatewayError { GatewayError(.draining, retryAfterMilliseconds: 1000) }

  @inline(__always)
  func judge(_ arrival: Arrival, _ condition: () -> Condition) -> Decision {
    switch arrival.kind {
    case .notification, .response, .batch, .stream, .termination:
      return .admit
    case .request(let method):
      // The handshake of HTTP+SSE comes after its session.
      guard case .initialize = method, case .eventStream = arrival.transport else { return .admit }
      return condition().awaitsFaces ? .park : .admit
    case .opening, .resumption, .listen, .webSocket:
      return judge(arrival, condition())
    }
  }

  /// The same for what lasts.
  private func judge(_ arrival: Arrival, _ condition: Condition) -> Decision {
    switch arrival.kind {
    case .opening: judgeOpening(arrival.transport, condition)
    case .listen where condition.isEnding: .refuse(GatewayError(.draining))
    case .listen where condition.isShortOfMemory: .refuse(.shortOfMemory)
    case .resumption where condition.isEnding: .refuse(Self.draining)
    case .webSocket where condition.isDraining: .refuse(Self.draining)
    default: .admit
    }
  }

  private func judgeOpening(_ transport: TransportKind, _ condition: Condition) -> Decision {
    switch transport {
    case .streamableHTTP:
      // With a successor it is the same to a client whose process opens its session.
      if condition.isEnding { return .refuse(Self.draining) }
    case .eventStream:
      return condition.isDraining ? .refuse(Self.sessionLimit) : .admit
    case .webSocket:
      if condition.isDraining { return .refuse(GatewayError(.draining)) }
    }
    return condition.awaitsFaces ? .park : .admit
  }
}
