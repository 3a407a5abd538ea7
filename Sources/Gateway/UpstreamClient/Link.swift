import MCP
import Reactor
import Wire

/// A two-way conversation with an upstream that many calls share: a child's pipes, a WebSocket, or HTTP+SSE. It lives on one worker;
/// the others reach it by mailbox.
final class Link {
  enum Wire {
    case child(ConnectionID)
    /// The GET stream, and where messages are POSTed to once the `endpoint` event has come.
    case eventStream(ConnectionID)
    case webSocket(ConnectionID)
  }

  let reference: LinkReference
  let cluster: Cluster
  let binding: UpstreamSession
  unowned let worker: Worker
  var wire: Wire
  /// The path and query of the endpoint of an HTTP+SSE server, and the head of a POST to it; nil and empty until that is known.
  private(set) var endpoint: String?
  private(set) var requestHead: [UInt8] = []
  /// Its server has forgotten it: nothing new goes over it, and it is closed once its calls have ended.
  private var isLeft = false
  /// Called once, when an HTTP+SSE server has said where to POST.
  var whenEndpointIsKnown: (() -> Void)?
  /// What waits for a WebSocket to open; nil for what is open.
  private var unsent: [[UInt8]]?
  /// Calls on their way.
  private var calls = LinkCalls()
  private(set) var isDead = false
  /// A child that is only asked what it speaks: its death is no news.
  var isProbe = false
  /// It is being found out what it speaks: who does that hears of its death.
  var isStarting = false
  /// We end it.
  private(set) var isClosing = false
  /// Why the child could not even be started.
  var startFailure: String?
  private let scanner = EnvelopeScanner()
  /// Bytes of messages without a call that wait behind others which it does not read.
  private var unread = 0
  /// Nothing is to be learnt any more from the message that is too large to be kept.
  private var overlongIsSettled = false

  init(_ reference: LinkReference, _ binding: UpstreamSession, _ worker: Worker, _ wire: Wire) {
    self.reference = reference
    self.binding = binding
    cluster = binding.cluster
    self.worker = worker
    self.wire = wire
    if case .webSocket = wire { unsent = [] }
  }

  /// The WebSocket is open: what waited for that goes out.
  func opened() {
    let waiting = unsent ?? []
    unsent = nil
    for message in waiting { write(message.rawBytes, nil) }
  }

  /// The conversation that it carries. A server may ask things before that is open: right after `initialized`, or even
  /// while it answers `initialize`.
  private var open: UpstreamSession.Open {
    if let open = binding.current, open.link == reference { return open }
    return UpstreamSession.Open(revision: .newestLegacy, httpSession: [], link: reference)
  }

  // MARK: Toward the upstream

  func send(_ message: RawSpan, _ call: ExchangeID?, of caller: LinkCalls.Caller) {
    guard !isDead else {
      if let call { fail(call, "is gone") }
      return
    }
    if let call, isBehind {
      let reference = reference
      return worker.on(call.worker) { $0.linkRefused(call, reference) }
    }
    if let call {
      calls.began(call, of: caller)
    } else if isBehind {
      // What it asks for itself, pings above all, must not heap up either.
      unread += message.byteCount
      guard unread <= worker.settings.childBacklog else { return }
    } else {
      unread = 0
    }
    write(message, call)
  }

  /// It does not take what waits for it already.
  private var isBehind: Bool {
    switch wire {
    case .webSocket where unsent != nil: unsent!.reduce(0) { $0 + $1.count } > worker.settings.childBacklog
    case .child(let peer), .webSocket(let peer): worker.loop.queued(peer) > worker.settings.childBacklog
    case .eventStream: false
    }
  }

  /// The child has not read yet all that it was sent.
  var isUnread: Bool {
    guard case .child(let child) = wire else { return false }
    return worker.loop.childUnread(child) > 0
  }

  private func write(_ message: RawSpan, _ call: ExchangeID?) {
    switch wire {
    case .child(let child):
      worker.loop.writeChild(child, message, ("\n" as StaticString).bytes)
    case .webSocket where unsent != nil:
      unsent?.append(message.array)
    case .webSocket(let connection):
      worker.loop.sendWebSocket(connection, message)
    case .eventStream:
      worker.postToEndpoint(message, self, call)
    }
  }

  func callEnded(_ call: ExchangeID) {
    calls.ended(call)
    closeIfLeft()
  }

  /// Nothing new is sent over it.
  func leave() {
    isLeft = true
    if let open = binding.current, open.link == reference { _ = binding.lost(open) }
    closeIfLeft()
  }

  private func closeIfLeft() {
    if isLeft, calls.isEmpty, !isDead { close() }
  }

  func close() {
    isClosing = true
    switch wire {
    case .child(let child): worker.loop.closeChild(child)
    case .eventStream(let connection):
      worker.upstreamStreams[connection] = nil
      worker.loop.abort(connection)
      died("was closed")
    case .webSocket(let connection):
      if unsent == nil {
        worker.loop.closeWebSocket(connection, code: 1000)
      } else {
        worker.loop.abort(connection)
      }
      died("was closed")
    }
  }

  // MARK: From the upstream

  func received(_ line: RawSpan) {
    guard line.trimmed.byteCount > 0 else {
      _ = mayComplain(of: line)
      return
    }
    let envelopes = scanner
    let envelope = envelopes.scan(line, depth: worker.settings.depth)
    switch envelope.kind {
    case .result, .error: route(envelope)
    case .notification: notified(envelope)
    case .request: asked(envelope)
    case .batch: for element in Worker.elements(of: envelope.message) { received(element.rawBytes) }
    case .invalid:
      if let token = envelope.id, let call = ExchangeID(token: token), calls.ended(call) {
        // Whose answer it would have been can be read: that call need not wait for another.
        let why = envelope.fault?.text ?? "no JSON-RPC message"
        let reference = reference
        worker.on(call.worker) { $0.linkMalformed(call, reference, why) }
        return
      }
      guard mayComplain(of: line) else { return }
      worker.logger.warning(
        "\(cluster.alias) \(isChild ? "wrote something on stdout" : "sent something") that is no JSON-RPC message: \(line.extracting(first: min(line.byteCount, 120)).text)"
      )
    }
  }

  /// Whether the log shall hear of a line that is no message. A child's counts with its stderr.
  private func mayComplain(of line: RawSpan) -> Bool {
    guard case .child(let child) = wire else { return true }
    return worker.loop.childChatters(child, bytes: line.byteCount + 1)
  }

  /// A message that is larger than a result may be: how it begins, and later how it ends. True once it is known whose it
  /// is, or that it is nobody's.
  @discardableResult
  func overlong(_ part: RawSpan, ended: Bool) -> Bool {
    if !ended { overlongIsSettled = false }
    guard !overlongIsSettled else { return true }
    var token: UInt64?
    if ended {
      token = JSON.closingID(part)
    } else {
      let envelopes = scanner
      let envelope = envelopes.peek(part, depth: worker.settings.depth)
      // A request has an id too, of the server's own.
      overlongIsSettled = envelope.kind == .request || envelope.kind == .notification
      if envelope.kind == .result || envelope.kind == .error { token = envelope.id?.decimal }
    }
    if let call = token.map(ExchangeID.init(rawValue:)), calls.ended(call) {
      overlongIsSettled = true
      let reference = reference
      worker.on(call.worker) { $0.linkTooLarge(call, reference) }
    }
    if ended || overlongIsSettled {
      worker.logger.warning(
        "\(cluster.alias) sent a message of more than \(worker.settings.resultLimit) bytes",
        metadata: ["server": "\(cluster.alias)"])
    }
    return overlongIsSettled
  }

  private var isChild: Bool { if case .child = wire { true } else { false } }

  /// The `endpoint` event: a path, or a URL on the same origin [5].
  /// - Parameter place: the path and query where the stream is; nil for where the server is.
  func endpointKnown(_ text: RawSpan, at place: String?) {
    guard requestHead.isEmpty else { return }
    guard let target = cluster.resolve(endpoint: text.trimmed.text, at: place) else {
      worker.logger.warning(
        "\(cluster.alias) named an endpoint on another origin, or no URL: \(text.extracting(first: min(text.byteCount, 120)).text)"
      )
      return close()
    }
    move(to: target)
    whenEndpointIsKnown?()
    whenEndpointIsKnown = nil
  }

  /// Messages are POSTed there from now on.
  func move(to target: String) {
    endpoint = target
    requestHead = cluster.head("POST", target: target)
  }

  private func route(_ envelope: Envelope) {
    guard let token = envelope.id, let call = ExchangeID(token: token), calls.ended(call) else { return }
    hand(envelope.message, to: call)
    closeIfLeft()
  }

  /// Takes a message to the worker of a call of this link.
  private func hand(_ message: RawSpan, to call: ExchangeID) {
    let reference = reference
    if call.worker == worker.index { return worker.receive(call, message, from: reference) }
    let bytes = message.array
    worker.gateway.post(to: call.worker) { $0.receive(call, bytes.rawBytes, from: reference) }
  }

  private func notified(_ envelope: Envelope) {
    switch envelope.method {
    case .notifyProgress:
      guard let token = envelope.value(Param.progressToken), let call = ExchangeID(token: token), calls.contains(call)
      else { return }
      hand(envelope.message, to: call)
    case .notifySubscriptionsAcknowledged:
      guard let token = envelope.value(MetaKey.subscriptionID), let call = ExchangeID(token: token),
        calls.contains(call)
      else { return }
      hand(envelope.message, to: call)
    case .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged:
      worker.listChanged(cluster, envelope.method, binding)
    case .notifyResourcesUpdated:
      worker.resourceUpdated(cluster, envelope, binding)
    case .notifyCancelled:
      if let call = calls.onlyClients { hand(envelope.message, to: call) }
    case .notifyMessage:
      let level = LogLevel(token: envelope.value(Param.level)) ?? .emergency
      tell(envelope, calls.audience(ofLog: level, by: open.revision.era == .modern))
    case .notifyElicitationComplete:
      guard let asked = worker.sessionAsked(envelope, in: binding) else { return }
      // On the stream of a call of its own, if it has one: it may listen on no other.
      if let call = calls.anyCall(of: asked) { return hand(envelope.message, to: call) }
      worker.elicitationCompleted(envelope, for: asked)
    default:
      tell(envelope, calls.audience())
    }
  }

  /// A message that carries no sign of its call.
  private func tell(_ envelope: Envelope, _ audience: LinkCalls.Audience) {
    switch audience {
    case .calls(let calls): for call in calls { hand(envelope.message, to: call) }
    case .unclaimed: worker.broadcast(envelope, binding)
    case .nobody: break
    }
  }

  /// - Parameter attempts: how often it may turn out that the call has ended meanwhile, and so is not the one that the
  ///   server works on.
  private func asked(_ envelope: Envelope, attempts: Int = 3) {
    guard let id = envelope.id else { return }
    let open = open
    if envelope.method == .ping { return worker.resultUpstream("{}", id, cluster, open) }
    if let call = calls.onlyClients, attempts > 0 {
      let (isGuess, reference, question) = (calls.areSeveral, reference, envelope.message.array)
      return worker.on(call.worker) { worker in
        if worker.exchanges.find(call)?.carrier == .link(reference) {
          return worker.receive(call, question: question.rawBytes, isGuess: isGuess)
        }
        worker.on(reference.worker) { $0.links[reference.number]?.asked(question, attempts: attempts - 1) }
      }
    }
    if binding.owner != nil { return worker.askOutsideCalls(envelope, binding, open) }
    guard calls.hasSessions else {
      return worker.refuseUpstream(
        id, cluster, open, code: -32601, "nobody here can answer \(envelope.methodName.text)")
    }
    worker.refuseUpstream(
      id, cluster, open, code: -32602,
      "it can't be told which client this request is for; configure `isolation: session` for \"\(cluster.alias)\"")
  }

  func asked(_ question: [UInt8], attempts: Int) {
    let envelopes = scanner
    asked(envelopes.scan(question.rawBytes, depth: worker.settings.depth), attempts: attempts)
  }

  // MARK: The end

  func died(_ reason: String) {
    guard !isDead else { return }
    isDead = true
    let lost = calls
    calls.removeAll()
    for call in lost.ids { fail(call, reason) }
    worker.linkDied(self, reason)
  }

  private func fail(_ call: ExchangeID, _ reason: String) {
    let reference = reference
    worker.on(call.worker) { $0.linkLost(call, reference, reason) }
  }
}
