import Catalogue
import Clusters
import Delivery
import MCP
import OpenCalls
import Reactor
import Routing
import Sessions
import UpstreamClient
import Wire
import Workers

/// The calls of one worker's clients, what servers ask and tell in return, and what is settled between both.
///
/// From the bottom: `Answers` write to clients, `OpenCalls` begin and end, `Forwarding` carries to servers, `ListServer` and
/// `Methods` say what each request comes to, `Responses` and `ServerVoices` take what servers say.
public final class Calls: LetterReader {
  private let context: CallsContext
  private let shared: CallsShared
  public let inFlight: OpenCalls
  public let clients: ClientCalls
  public let upstreams: SessionUpstreams
  public let faces: FaceWaits
  private let links: LearnedURIs
  public let reverse: ReverseRequests
  public let news: UpstreamNews
  public let renewals: Renewals
  public let messages: ClientMessages
  private let outside: OutsideRequests
  private let forwarding: Forwarding
  private let methods: Methods
  private let voices: ServerVoices
  private let admission = Admission()

  public init(
    _ worker: WorkerContext, _ shared: CallsShared, _ upstream: UpstreamClient, _ delivery: Delivery,
    _ sweep: SweepTimer
  ) {
    self.shared = shared
    context = CallsContext(worker, shared, upstream, delivery, sweep)
    let answers = Answers(context)
    let subscriptions = Subscriptions(context)
    let open = OpenCalls(context, answers, subscriptions)
    inFlight = open
    clients = ClientCalls(context, open)
    upstreams = SessionUpstreams(context)
    faces = FaceWaits(context)
    links = LearnedURIs(context)
    let hedging = Hedging(context, open)
    forwarding = Forwarding(context, open, faces, hedging)
    methods = Methods(
      context, open, answers, forwarding, ListServer(context, open), SubscribeMethods(context, open, subscriptions),
      upstreams, links)
    renewals = Renewals(context, methods, upstreams)
    reverse = ReverseRequests(context, open)
    outside = OutsideRequests(context, open, reverse)
    messages = ClientMessages(context, clients, answers, methods, forwarding, reverse)
    news = UpstreamNews(context)
    voices = ServerVoices(context, open, answers, Responses(context, open, links), reverse, outside, news, hedging)
    upstream.connect(to: voices, armSweep: sweep.arm)
    messages.judge = { [unowned self] arrival in judge(arrival, arrival.session?.view) }
    delivery.begin(for: self)
    shared.mail.open(context.index, for: self)
  }

  /// No letter is opened any more.
  public func close() { shared.mail.close(context.index) }

  /// What this worker goes on with once other loops have done something.
  public var later: Continuations<CallLetter> { context.later }

  // MARK: Admission

  /// Whether what a client begins is begun.
  /// - Parameter view: what it looks at.
  @inline(__always)
  public func judge(_ arrival: Arrival, _ view: @autoclosure () -> CatalogueView?) -> Admission.Decision {
    admission.judge(arrival) {
      let phase = shared.group.phase
      return Admission.Condition(
        isDraining: phase.isDraining, isEnding: phase.isEnding, isShortOfMemory: context.loop.isShedding,
        awaitsFaces: view().map(faces.isAwaited) ?? false)
    }
  }

  // MARK: What clients say

  /// A request.
  public func serve(
    _ reply: ReplyTo, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision,
    batch: AnswerBatch? = nil
  ) {
    methods.serve(reply, session, view, envelope, revision, batch: batch)
  }

  /// A request of a modern client's.
  /// - Parameter lines: its `Mcp-Param-*` header lines.
  public func serve(
    _ reply: ReplyTo, _ view: CatalogueView, _ envelope: Envelope, mirrored lines: [MirroredLine]
  ) {
    forwarding.clientParameters = lines
    methods.serve(reply, nil, view, envelope, .r20260728)
    if !lines.isEmpty { forwarding.clientParameters = [] }
  }

  /// What is begun until something else is said comes with these header fields.
  public func routeBy(_ headers: [RoutingHeader]) { forwarding.routingHeaders = headers }

  /// A notification that no revision has.
  public func passNotification(
    _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ client: Revision, from party: Party,
    mirrored lines: [MirroredLine] = []
  ) {
    forwarding.clientParameters = lines
    forwarding.notify(session, view, envelope, client, from: party)
    forwarding.clientParameters = []
  }

  // MARK: Letters

  public func open(_ letter: CallLetter) {
    switch letter {
    case .cancel(let id, let session): clients.cancelHere(of: session, id)
    case .again(let call, let message): methods.again(call, message)
    case .goOn(let number): context.later.goOn(number)
    case .gather(let question, let known): outside.gather(question, known)
    case .gathered(let question, let calls): outside.gathered(question, calls)
    case .ask(let call, let question, let isGuess): outside.ask(question, in: call, isGuess: isGuess)
    case .grantInteraction(let call): outside.grantInteraction(call)
    case .responded(let id, let session, let message, let place):
      reverse.relay(id, session, message.rawBytes, place)
    case .said(let message, let session): said(message, session)
    case .logLevelChanged(let session): upstreams.spreadLogLevel(session) {}
    case .renew(let names, let session, let isWanted): renewals.renew(names, of: session, isWanted: isWanted)
    }
  }

  private func said(_ message: [UInt8], _ session: Session) {
    let envelopes = context.worker.requestScanner
    let envelope = envelopes.scan(message.rawBytes, depth: context.settings.depth)
    switch envelope.kind {
    case .notification: messages.notified(session, envelope)
    case .result, .error: reverse.clientResponded(session, envelope)
    default: break
    }
  }
}

extension Calls: DeliveryDelegate {
  public func pauseSource(of call: CallID) -> Bool { inFlight.pauseSource(of: call) }
  public func clientGone(_ call: CallID) { inFlight.clientGone(call) }
  public func calls(answeredOn connection: ConnectionID, of session: Session?) -> [CallID] {
    inFlight.calls(answeredOn: connection, of: session)
  }
  public func hasCalls(over socket: ConnectionID) -> Bool { !inFlight.calls(over: socket).isEmpty }
  public func abandonCalls(over socket: ConnectionID) { clients.abandon(over: socket) }
  public func abandonCalls(of session: Session) { clients.abandon(of: session) }

  public func interestChanged(in cluster: Cluster, _ noted: @escaping @Sendable () -> Void) {
    guard let servers = shared.delegate else { return noted() }
    servers.resourceInterestChanged(cluster, noted)
  }

  public func overlayEnded(of session: SessionID) { shared.delegate?.forgetOverlay(of: session) }
  public func learnedLinks(of principal: Principal) -> LearnedLinks? { links[principal] }
}
