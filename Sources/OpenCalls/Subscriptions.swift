import Clusters
import Delivery
import MCP
import Sessions
import UpstreamRequests
import Wire
import Workers

/// Who subscribed to what: what sessions have of it, and what is counted for them.
public final class Subscriptions {
  private let context: CallsContext
  private let sessions: SessionsShared
  private let worker: WorkerContext
  private let interests: InterestNotices

  public init(_ context: CallsContext) {
    self.context = context
    sessions = context.sessions
    worker = context.worker
    interests = context.delivery.interests
  }

  /// Notes what a session subscribes to under that name, or that it does not any more (nil). Why not, if it can't.
  public func account(
    for subscription: Subscription?, named text: RawSpan, in session: Session, _ call: Call
  ) -> GatewayError? {
    let settings = worker.settings
    if subscription != nil, text.byteCount > settings.uriLimit {
      return GatewayError(
        .invalidParams, message: "Invalid params: a URI to subscribe to may have \(settings.uriLimit) bytes")
    }
    let named = text.array
    let home = Int(session.id.worker)
    let bytes = subscription?.bytes(named: named) ?? 0
    if subscription != nil, let refusal = worker.memory.take(bytes, for: session.party, on: home) { return refusal }
    let (sessions, sessionID) = (sessions, session.id)
    let limit = settings.subscriptionLimit
    let (before, isTaken) = session.withState { state -> (Subscription?, Bool) in
      let before = state.subscriptions[named]
      guard state.subscribe(named, subscription, atMost: limit) else { return (nil, false) }
      // Within the session's lock, so that who ends the session takes back what was counted here.
      sessions.interests.replace(before, by: subscription, named: named, of: sessionID, among: state.subscriptions)
      sessions.tell(named, isWanted: subscription != nil, of: session)
      return (before, true)
    }
    guard isTaken else {
      worker.memory.giveBack(bytes, of: session.party, on: home)
      return GatewayError(
        .invalidParams,
        message:
          "Invalid params: a session may have \(Session.mostSubscriptions) subscriptions, with URIs of \(limit) bytes in all"
      )
    }
    if let before { worker.memory.giveBack(before.bytes(named: named), of: session.party, on: home) }
    if subscription != nil, before == nil { call.subscribing = named }
    return nil
  }

  /// A subscription that came to nothing: the server refused it, or it can't be known what became of it.
  func forget(_ call: Call) {
    let named = call.subscribing
    call.subscribing = []
    guard let session = call.session else { return }
    let (sessions, sessionID) = (sessions, session.id)
    let dropped = session.withState { state -> Subscription? in
      guard let before = state.subscriptions[named] else { return nil }
      _ = state.subscribe(named, nil, atMost: 0)
      sessions.interests.replace(before, by: nil, named: named, of: sessionID, among: state.subscriptions)
      sessions.tell(named, isWanted: false, of: session)
      return before
    }
    guard let dropped else { return }
    worker.memory.giveBack(dropped.bytes(named: named), of: session.party, on: Int(sessionID.worker))
    if dropped.isCounted { return interests.tell(of: [dropped.interest]) {} }
    guard let request = call.request, let cluster = request.cluster else { return }
    _ = (request.session ?? context.conversation(for: call, cluster)).unsubscribe(dropped.interest.uri, sessionID)
  }
}
