import Clusters
import Logging
import MCP
import Reactor
import Wire
import Workers

/// Who keeps a link, and takes what it brings to where it belongs.
protocol LinkKeeper: AnyObject {
  var context: WorkerContext { get }
  /// A message for a request, wherever that is.
  /// - Parameter isOver: nothing more will come of it, and the link does not know it any more.
  func bring(_ message: RawSpan, _ request: RequestID, over link: LinkReference, isOver: Bool)
  func failed(_ request: RequestID, _ link: LinkReference, _ failure: LinkFailure)
  /// A question that seems to belong to a request.
  func ask(_ question: RawSpan, _ request: RequestID, _ link: LinkReference, isGuess: Bool, attempts: Int)
  /// A message without a sign of the request that it belongs to.
  func said(_ message: Envelope, on link: Link)
  /// Our own answer to a question.
  func refuse(_ question: Envelope, on link: Link, code: Int, _ why: String)
  /// A message is to be POSTed to an HTTP+SSE server.
  func post(_ message: RawSpan, _ request: RequestID?, to link: Link)
  func died(_ link: Link, _ reason: String)
}

/// A two-way conversation with an upstream that many calls share: a child's pipes, a WebSocket, or HTTP+SSE. It lives on one worker;
/// the others reach it by mailbox.
public final class Link {
  public enum Medium {
    case child(ConnectionID)
    /// The GET stream, and where messages are POSTed to once the `endpoint` event has come.
    case eventStream(ConnectionID)
    case webSocket(ConnectionID)
  }

  public let reference: LinkReference
  public let cluster: Cluster
  public let session: UpstreamSession
  /// Which of the cluster's it leads to.
  public let endpoint: UpstreamEndpoint
  private unowned(unsafe) let keeper: any LinkKeeper
  private var home: any LinkKeeper { unsafe keeper }
  private let loop: EventLoop
  public var medium: Medium
  /// The path and query where an HTTP+SSE server takes messages, and the head of a POST to it; nil and empty until that is
  /// known.
  public private(set) var postTarget: String?
  public private(set) var requestHead: [UInt8] = []
  /// Its server has forgotten it: nothing new goes over it, and it is closed once its calls have ended.
  private var isLeft = false
  /// Called once, when an HTTP+SSE server has said where to POST.
  public var whenEndpointIsKnown: (() -> Void)?
  /// What waits for a WebSocket to open; nil for what is open.
  private var unsent: [[UInt8]]?
  /// Calls on their way.
  private var calls = LinkCalls()
  public private(set) var isDead = false
  /// A child that is only asked what it speaks: its death is no news.
  public var isProbe = false
  /// It is being found out what it speaks: who does that hears of its death.
  public var isStarting = false
  /// We end it since nobody uses it; who needs the conversation waits until it is gone.
  public private(set) var isResting = false
  /// When a client's call began or ended.
  private var lastUse: UInt64
  /// We end it.
  public private(set) var isClosing = false
  /// The cgroup of the child, if it has one.
  var group: ChildGroup?
  /// Why the child could not even be started.
  public var startFailure: String?
  private let scanner = EnvelopeScanner()
  /// Bytes of messages without a call that wait behind others which it does not read.
  private var unread = 0
  /// Nothing is to be learnt any more from the message that is too large to be kept.
  private var overlongIsSettled = false

  init(
    _ reference: LinkReference, _ session: UpstreamSession, _ endpoint: UpstreamEndpoint, _ keeper: any LinkKeeper,
    _ medium: Medium
  ) {
    self.reference = reference
    self.session = session
    self.endpoint = endpoint
    cluster = session.cluster
    unsafe self.keeper = keeper
    loop = keeper.context.loop
    lastUse = loop.now
    self.medium = medium
    if case .webSocket = medium { unsent = [] }
  }

  /// The WebSocket is open: what waited for that goes out.
  public func opened() {
    let waiting = unsent ?? []
    unsent = nil
    for message in waiting { write(message.rawBytes, nil) }
  }

  /// The conversation that it carries. A server may ask things before that is open: right after `initialized`, or even
  /// while it answers `initialize`.
  public var open: UpstreamSession.Open {
    if let open = session.current, open.link == reference { return open }
    return UpstreamSession.Open(
      revision: .newestLegacy, httpSession: [], link: reference, endpoint: endpoint.index)
  }

  // MARK: Toward the upstream

  func send(_ message: RawSpan, _ call: RequestID?, of caller: LinkCalls.Caller) {
    guard !isDead else {
      if let call { fail(call, .lost("is gone")) }
      return
    }
    if let call, isResting {
      if case .gateway = caller { return fail(call, .lost("is being stopped")) }
      return fail(call, .resting(message.array))
    }
    if let call, isBehind { return fail(call, .busy) }
    if let call {
      calls.began(call, of: caller)
      if calls.ofClients > 0 { lastUse = loop.now }
    } else if isBehind {
      // What it asks for itself, pings above all, must not heap up either.
      unread += message.byteCount
      guard unread <= settings.childBacklog else { return }
    } else {
      unread = 0
    }
    write(message, call)
  }

  /// It does not take what waits for it already.
  private var isBehind: Bool {
    switch medium {
    case .webSocket where unsent != nil: unsent!.reduce(0) { $0 + $1.count } > settings.childBacklog
    case .child(let peer), .webSocket(let peer): loop.queued(peer) > settings.childBacklog
    case .eventStream: false
    }
  }

  /// The child has not read yet all that it was sent.
  var isUnread: Bool {
    guard case .child(let child) = medium else { return false }
    return loop.children.unread(child) > 0
  }

  private func write(_ message: RawSpan, _ call: RequestID?) {
    switch medium {
    case .child(let child):
      loop.children.write(child, message, ("\n" as StaticString).bytes)
    case .webSocket where unsent != nil:
      unsent?.append(message.array)
    case .webSocket(let connection):
      loop.webSockets.send(connection, message)
    case .eventStream:
      home.post(message, call, to: self)
    }
  }

  func callEnded(_ call: RequestID) {
    end(call)
    closeIfLeft()
  }

  /// False if it was none of its calls.
  @discardableResult
  private func end(_ call: RequestID) -> Bool {
    let before = calls.ofClients
    defer { if calls.ofClients < before { lastUse = loop.now } }
    return calls.ended(call)
  }

  // MARK: Idleness

  /// Since when no client has used it; nil while one does.
  var idleSince: UInt64? { calls.ofClients == 0 && !isDead && !isClosing ? lastUse : nil }

  /// Ends it if no client has used it since then.
  func rest(unusedSince since: UInt64) -> Bool {
    guard let idle = idleSince, idle <= since, let open = session.current, open.link == reference,
      session.suspend(open)
    else { return false }
    isResting = true
    close()
    return true
  }

  /// Nothing new is sent over it.
  public func leave() {
    isLeft = true
    if let open = session.current, open.link == reference { _ = session.lost(open) }
    closeIfLeft()
  }

  private func closeIfLeft() {
    if isLeft, calls.isEmpty, !isDead { close() }
  }

  public func close() {
    isClosing = true
    switch medium {
    case .child(let child): loop.children.close(child)
    case .eventStream(let connection):
      loop.abort(connection)
      died("was closed")
    case .webSocket(let connection):
      if unsent == nil {
        loop.webSockets.close(connection, code: 1000)
      } else {
        loop.abort(connection)
      }
      died("was closed")
    }
  }

  // MARK: From the upstream

  public func received(_ line: RawSpan) {
    guard line.trimmed.byteCount > 0 else {
      _ = mayComplain(of: line)
      return
    }
    let envelopes = scanner
    let envelope = envelopes.scan(line, depth: settings.depth)
    switch envelope.kind {
    case .result, .error: route(envelope)
    case .notification: notified(envelope)
    case .request: asked(envelope)
    case .batch: for element in JSON.elements(of: envelope.message) { received(element.rawBytes) }
    case .invalid:
      if let token = envelope.id, let call = RequestID(token: token), end(call) {
        // Whose answer it would have been can be read: that call need not wait for another.
        return fail(call, .malformed(envelope.fault?.text ?? "no JSON-RPC message"))
      }
      guard mayComplain(of: line) else { return }
      logger.warning(
        "\(cluster.alias) \(isChild ? "wrote something on stdout" : "sent something") that is no JSON-RPC message: \(line.extracting(first: min(line.byteCount, 120)).text)"
      )
    }
  }

  /// Whether the log shall hear of a line that is no message. A child's counts with its stderr.
  private func mayComplain(of line: RawSpan) -> Bool {
    guard case .child(let child) = medium else { return true }
    return loop.children.chatters(child, bytes: line.byteCount + 1)
  }

  /// A message that is larger than a result may be: how it begins, and later how it ends. True once it is known whose it
  /// is, or that it is nobody's.
  @discardableResult
  public func overlong(_ part: RawSpan, ended: Bool) -> Bool {
    if !ended { overlongIsSettled = false }
    guard !overlongIsSettled else { return true }
    var token: UInt64?
    if ended {
      token = JSON.closingID(part)
    } else {
      let envelopes = scanner
      let envelope = envelopes.peek(part, depth: settings.depth)
      // A request has an id too, of the server's own.
      overlongIsSettled = envelope.kind == .request || envelope.kind == .notification
      if envelope.kind == .result || envelope.kind == .error { token = envelope.id?.decimal }
    }
    if let call = token.map(RequestID.init(rawValue:)), end(call) {
      overlongIsSettled = true
      fail(call, .tooLarge)
    }
    if ended || overlongIsSettled {
      logger.warning(
        "\(cluster.alias) sent a message of more than \(settings.resultLimit) bytes",
        metadata: ["server": "\(cluster.alias)"])
    }
    return overlongIsSettled
  }

  private var isChild: Bool { if case .child = medium { true } else { false } }

  /// The `endpoint` event (MCP 2024-11-05, Basic/Transports, HTTP with SSE): a path, or a URL; on the same origin.
  /// - Parameter place: the path and query where the stream is; nil for where the server is.
  public func endpointKnown(_ text: RawSpan, at place: String?) {
    guard requestHead.isEmpty else { return }
    guard let target = endpoint.resolve(endpoint: text.trimmed.text, at: place) else {
      logger.warning(
        "\(cluster.alias) named an endpoint on another origin, or no URL: \(text.extracting(first: min(text.byteCount, 120)).text)"
      )
      return close()
    }
    move(to: target)
    whenEndpointIsKnown?()
    whenEndpointIsKnown = nil
  }

  /// Messages are POSTed there from now on.
  public func move(to target: String) {
    postTarget = target
    requestHead = endpoint.head("POST", target: target)
  }

  private func route(_ envelope: Envelope) {
    guard let token = envelope.id, let call = RequestID(token: token), end(call) else { return }
    hand(envelope.message, to: call, isOver: true)
    closeIfLeft()
  }

  /// Takes a message to the worker of a call of this link.
  private func hand(_ message: RawSpan, to call: RequestID, isOver: Bool = false) {
    home.bring(message, call, over: reference, isOver: isOver)
  }

  private func notified(_ envelope: Envelope) {
    switch envelope.method {
    case .notifyProgress:
      guard let token = envelope.value(Param.progressToken), let call = RequestID(token: token), calls.contains(call)
      else { return }
      hand(envelope.message, to: call)
    case .notifySubscriptionsAcknowledged:
      guard let token = envelope.value(MetaKey.subscriptionID), let call = RequestID(token: token),
        calls.contains(call)
      else { return }
      hand(envelope.message, to: call)
    default:
      home.said(envelope, on: self)
    }
  }

  /// Whose the calls are that are on their way.
  public enum Audience {
    case everyCaller
    case log(LogLevel)
    case only
    case session(SessionID)
  }

  /// Hands a message that carries no sign of its call to calls that it may concern. False if no client has one on its way,
  /// so that it is said outside of calls.
  public func tell(_ message: RawSpan, _ audience: Audience) -> Bool {
    let found: LinkCalls.Audience
    switch audience {
    case .everyCaller: found = calls.audience()
    case .log(let level): found = calls.audience(ofLog: level, by: open.revision.era == .modern)
    case .only: found = calls.onlyClients.map { .calls([$0]) } ?? .nobody
    case .session(let session): found = calls.anyCall(of: session).map { .calls([$0]) } ?? .unclaimed
    }
    switch found {
    case .calls(let calls): for call in calls { hand(message, to: call) }
    case .unclaimed: return false
    case .nobody: break
    }
    return true
  }

  /// - Parameter attempts: how often it may turn out that the call has ended meanwhile, and so is not the one that the
  ///   server works on.
  private func asked(_ envelope: Envelope, attempts: Int = 3) {
    guard envelope.id != nil else { return }
    if envelope.method != .ping, let call = calls.onlyClients, attempts > 0 {
      return home.ask(envelope.message, call, reference, isGuess: calls.areSeveral, attempts: attempts)
    }
    if envelope.method == .ping || session.owner != nil { return home.said(envelope, on: self) }
    guard calls.hasSessions else {
      return home.refuse(
        envelope, on: self, code: -32601, "nobody here can answer \(envelope.methodName.text)")
    }
    home.refuse(
      envelope, on: self, code: -32602,
      "it can't be told which client this request is for; configure `isolation: session` for \"\(cluster.alias)\"")
  }

  func asked(_ question: [UInt8], attempts: Int) {
    let envelopes = scanner
    asked(envelopes.scan(question.rawBytes, depth: settings.depth), attempts: attempts)
  }

  // MARK: The end

  public func died(_ reason: String) {
    guard !isDead else { return }
    isDead = true
    let lost = calls
    calls.removeAll()
    for call in lost.ids { fail(call, .lost(reason)) }
    home.died(self, reason)
  }

  private func fail(_ call: RequestID, _ failure: LinkFailure) { home.failed(call, reference, failure) }

  private var settings: Settings { home.context.settings }
  private var logger: Logger { home.context.logger }
}
