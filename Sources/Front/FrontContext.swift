import Calls
import Delivery
import MCP
import Reactor
import ServedCatalogue
import Sessions
import UpstreamClient
import Wire
import Workers

/// What the fronts of one worker stand on: its loop and scratch, and the parts that what they read goes to. Touched on the
/// loop's thread alone.
public final class FrontContext {
  let worker: WorkerContext
  let loop: EventLoop
  let head: Scratch
  let body: Scratch
  let scanner: EnvelopeScanner
  let shelf: CatalogueShelf
  let sessions: SessionsShared
  let upstream: UpstreamClient
  let deliveries: DeliveryShared
  let delivery: Delivery
  let answers: HTTPAnswers
  let calls: Calls
  let tickets: TicketCache

  public init(
    _ worker: WorkerContext, _ deliveries: DeliveryShared, _ upstream: UpstreamClient, _ delivery: Delivery,
    _ calls: Calls, _ tickets: TicketCache
  ) {
    self.worker = worker
    loop = worker.loop
    head = worker.head
    body = worker.body
    scanner = worker.requestScanner
    sessions = deliveries.sessions
    shelf = sessions.shelf
    self.deliveries = deliveries
    self.upstream = upstream
    self.delivery = delivery
    answers = delivery.answers
    self.calls = calls
    self.tickets = tickets
  }

  var settings: Settings { worker.settings }
  var now: UInt64 { loop.now }
  var isDraining: Bool { worker.group.phase.isDraining }

  // MARK: Admission

  /// Whether a client may begin that. If not it has been told so, in an answer with that id.
  @inline(__always)
  func admits(
    _ kind: Arrival.Kind, _ reply: ReplyTo, _ transport: TransportKind, _ session: Session?, id: RawSpan?, _ era: Era
  ) -> Bool {
    let arrival = Arrival(kind: kind, transport: transport, connection: reply.connection, session: session)
    guard case .refuse(let error) = calls.judge(arrival, session?.view) else { return true }
    if !arrival.isUnanswered { refuse(reply, error, id: id, era) }
    return false
  }

  /// An error before any call began, in whichever way that client is spoken to.
  func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    delivery.transport(reply).refuse(reply, error, id: id, era, of: nil)
  }
}

extension Envelope {
  /// The id under which a refused message is answered: null for what is no request, or could not be read (JSON-RPC 2.0
  /// section 5).
  @_lifetime(copy self)
  func answerableID(_ error: GatewayError) -> RawSpan? {
    guard error.kind != .parseError, kind != .result, kind != .error, idKind == .integer || idKind == .string else {
      return nil
    }
    return id
  }
}
