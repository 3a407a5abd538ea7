import MCP
import Reactor
import Routing
import Wire

/// The calls of one worker's clients, what servers ask and tell in return, and what is settled between both.
///
/// From the bottom: `Answers` write to clients, `OpenCalls` begin and end, `Forwarding` carries to servers, `ListServer` and
/// `Methods` say what each request comes to, `Responses` and `ServerVoices` take what servers say.
final class Calls: LetterReader {
  private let context: CallsContext
  private let shared: CallsShared
  let inFlight: OpenCalls
  let clients: ClientCalls
  let upstreams: SessionUpstreams
  let faces: FaceWaits
  private let links: LearnedURIs
  let reverse: ReverseRequests
  let news: UpstreamNews
  let renewals: Renewals
  let messages: ClientMessages
  private let outside: OutsideRequests
  private let forwarding: Forwarding
  private let methods: Methods
  private let voices: ServerVoices
  private let admission = Admission()

  init(
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
    forwarding = Forwarding(context, open, faces)
    methods = Methods(
      context, open, answers, forwarding, ListServer(context, open), SubscribeMethods(context, open, subscriptions),
      upstreams, links)
    renewals = Renewals(context, methods, upstreams)
    reverse = ReverseRequests(context, open)
    outside = OutsideRequests(context, open, reverse)
    messages = ClientMessages(context, clients, methods, forwarding, reverse)
    news = UpstreamNews(context)
    voices = ServerVoices(context, open, answers, Responses(context, open, links), reverse, outside, news)
    upstream.connect(to: voices, armSweep: sweep.arm)
    delivery.begin(for: self)
    shared.mail.open(context.index, for: self)
  }

  /// No letter is opened any more.
  func close() { shared.mail.close(context.index) }

  /// What this worker goes on with once other loops have done something.
  var later: Continuations<CallLetter> { context.later }

  // MARK: Admission

  /// Whether what a client begins is begun.
  /// - Parameter view: what it looks at.
  @inline(__always)
  func judge(_ arrival: Arrival, _ view: @autoclosure () -> CatalogueView?) -> Admission.Decision {
    admission.judge(arrival) {
      let phase = shared.group.phase
      return Admission.Condition(
        isDraining: phase.isDraining, isEnding: phase.isEnding, isShortOfMemory: context.loop.isShedding,
        awaitsFaces: view().map(faces.isAwaited) ?? false)
    }
  }

  // MARK: What clients say

  /// A request.
  func serve(
    _ reply: ReplyTo, _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ revision: Revision,
    batch: AnswerBatch? = nil
  ) {
    methods.serve(reply, session, view, envelope, revision, batch: batch)
  }

  /// A request of a modern client's.
  /// - Parameter lines: its `Mcp-Param-*` header lines.
  func serve(
    _ reply: ReplyTo, _ view: CatalogueView, _ envelope: Envelope, mirrored lines: [MirroredLine]
  ) {
    forwarding.clientParameters = lines
    methods.serve(reply, nil, view, envelope, .r20260728)
    if !lines.isEmpty { forwarding.clientParameters = [] }
  }

  /// A notification that no revision has.
  func passNotification(
    _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ client: Revision, from party: Party,
    mirrored lines: [MirroredLine] = []
  ) {
    forwarding.clientParameters = lines
    forwarding.notify(session, view, envelope, client, from: party)
    forwarding.clientParameters = []
  }

  // MARK: Letters

  func open(_ letter: CallLetter) {
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
  func pauseSource(of call: CallID) -> Bool { inFlight.pauseSource(of: call) }
  func clientGone(_ call: CallID) { inFlight.clientGone(call) }
  func calls(answeredOn connection: ConnectionID, of session: Session?) -> [CallID] {
    inFlight.calls(answeredOn: connection, of: session)
  }
  func hasCalls(over socket: ConnectionID) -> Bool { !inFlight.calls(over: socket).isEmpty }
  func abandonCalls(over socket: ConnectionID) { clients.abandon(over: socket) }
  func abandonCalls(of session: Session) { clients.abandon(of: session) }

  func interestChanged(in cluster: Cluster, _ noted: @escaping @Sendable () -> Void) {
    guard let servers = shared.delegate else { return noted() }
    servers.resourceInterestChanged(cluster, noted)
  }

  func overlayEnded(of session: SessionID) { shared.delegate?.forgetOverlay(of: session) }
  func learnedLinks(of principal: Principal) -> LearnedLinks? { links[principal] }
}
