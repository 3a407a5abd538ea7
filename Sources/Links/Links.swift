import Clusters
import Configuration
import Reactor
import Wire
import Workers

/// What a link has to say to the loop that reads it.
public protocol LinkDelegate: AnyObject {
  /// A message for a request of this loop's that is on its way over it.
  /// - Parameter isOver: nothing more will come of it, and the link does not know it any more.
  func brought(_ message: RawSpan, _ request: RequestID, over link: LinkReference, isOver: Bool)
  func failed(_ request: RequestID, _ link: LinkReference, _ failure: LinkFailure)
  /// A question that seems to belong to a request of this loop's.
  func asked(_ question: RawSpan, _ request: RequestID, _ link: LinkReference, isGuess: Bool, attempts: Int)
  /// A message without a sign of the request that it belongs to.
  func said(_ message: Envelope, on link: Link)
  /// Our own answer to a question.
  func refuse(_ question: Envelope, on link: Link, code: Int, _ why: String)
  /// A message is to be POSTed to an HTTP+SSE server.
  func post(_ message: RawSpan, _ request: RequestID?, to link: Link)
  func died(_ link: Link, _ reason: String)
}

/// The links that live on one worker, and the way to those of others.
public final class Links: LinkKeeper {
  let context: WorkerContext
  private let loop: EventLoop
  public let mail: Mailboxes<UpstreamLetter>
  private unowned(unsafe) let listener: any LinkDelegate
  private var delegate: any LinkDelegate { unsafe listener }
  private var links: [UInt32: Link] = [:]
  private var nextLink: UInt32 = 1
  /// Of the whole gateway.
  private let census: LinkCensus
  /// The end has come: none is made any more.
  private var isClosing = false

  public init(
    _ context: WorkerContext, _ mail: Mailboxes<UpstreamLetter>, _ census: LinkCensus, _ delegate: any LinkDelegate
  ) {
    self.context = context
    loop = context.loop
    self.mail = mail
    self.census = census
    unsafe listener = delegate
  }

  public subscript(_ number: UInt32) -> Link? { links[number] }

  /// Of these, WebSockets.
  var socketCount: Int { links.values.count { if case .webSocket = $0.medium { true } else { false } } }

  /// That of this worker's; nil once it is gone.
  public func find(_ link: LinkReference) -> Link? { link.worker == context.index ? links[link.number] : nil }

  // MARK: Toward links

  public func send(
    _ message: RawSpan, over link: LinkReference, for request: RequestID? = nil, of caller: LinkCalls.Caller = .gateway
  ) {
    guard link.worker == context.index else {
      return mail.send(.send(message.array, over: link, request, caller), to: link.worker)
    }
    if let found = links[link.number] { return found.send(message, request, of: caller) }
    if let request { failed(request, link, .lost("is gone")) }
  }

  public func callEnded(_ request: RequestID, _ link: LinkReference) {
    guard link.worker == context.index else { return mail.send(.callEnded(request, link), to: link.worker) }
    links[link.number]?.callEnded(request)
  }

  public func close(_ link: LinkReference) {
    guard link.worker == context.index else { return mail.send(.closeLink(link), to: link.worker) }
    links[link.number]?.close()
  }

  /// It is known what it speaks.
  public func started(_ link: LinkReference) {
    guard link.worker == context.index else { return mail.send(.linkStarted(link), to: link.worker) }
    links[link.number]?.isStarting = false
  }

  /// Whether the child at its other end has yet to read what it was sent; false once that is gone.
  public func isUnread(_ link: LinkReference, _ reply: @escaping @Sendable (Bool) -> Void) {
    guard link.worker == context.index else { return mail.send(.isUnread(link, reply), to: link.worker) }
    reply(links[link.number]?.isUnread ?? false)
  }

  // MARK: Idleness

  /// Since when no client has used a link, in milliseconds of the clock; nil while one does, or if it is gone.
  public func idleSince(_ link: LinkReference, _ reply: @escaping @Sendable (UInt64?) -> Void) {
    guard link.worker == context.index else { return mail.send(.idleSince(link, reply), to: link.worker) }
    reply(links[link.number]?.idleSince)
  }

  /// Ends a child that no client has used since then. Who needs its conversation waits until it is gone.
  public func rest(_ link: LinkReference, unusedSince since: UInt64, _ reply: @escaping @Sendable (Bool) -> Void) {
    guard link.worker == context.index else {
      return mail.send(.rest(link, unusedSince: since, reply), to: link.worker)
    }
    reply(links[link.number]?.rest(unusedSince: since) ?? false)
  }

  // MARK: Toward requests

  func bring(_ message: RawSpan, _ request: RequestID, over link: LinkReference, isOver: Bool) {
    if request.worker == context.index { return delegate.brought(message, request, over: link, isOver: isOver) }
    mail.send(.brought(message.array, request, link, isOver: isOver), to: request.worker)
  }

  public func failed(_ request: RequestID, _ link: LinkReference, _ failure: LinkFailure) {
    if request.worker == context.index { return delegate.failed(request, link, failure) }
    mail.send(.failed(request, link, failure), to: request.worker)
  }

  func ask(_ question: RawSpan, _ request: RequestID, _ link: LinkReference, isGuess: Bool, attempts: Int) {
    if request.worker == context.index {
      return delegate.asked(question, request, link, isGuess: isGuess, attempts: attempts)
    }
    mail.send(.asked(question.array, request, link, isGuess: isGuess, attempts: attempts), to: request.worker)
  }

  func said(_ message: Envelope, on link: Link) { delegate.said(message, on: link) }

  func refuse(_ question: Envelope, on link: Link, code: Int, _ why: String) {
    delegate.refuse(question, on: link, code: code, why)
  }

  func post(_ message: RawSpan, _ request: RequestID?, to link: Link) { delegate.post(message, request, to: link) }

  /// The request that was asked is over.
  public func notAsked(_ question: [UInt8], _ link: LinkReference, attempts: Int) {
    guard link.worker == context.index else {
      return mail.send(.notAsked(question, link, attempts: attempts), to: link.worker)
    }
    links[link.number]?.asked(question, attempts: attempts)
  }

  // MARK: Making

  public func make(
    _ session: UpstreamSession, _ endpoint: UpstreamEndpoint, _ medium: (UInt32) -> Link.Medium?
  ) -> Link? {
    guard !isClosing else { return nil }
    let number = nextLink
    nextLink += 1
    guard let medium = medium(number) else { return nil }
    let link = Link(LinkReference(worker: context.index, number: number), session, endpoint, self, medium)
    links[number] = link
    census.live.add(1, ordering: .relaxed)
    return link
  }

  /// Opens what carries the messages of a child or of a WebSocket. What is sent at once waits until it is open.
  public func start(_ session: UpstreamSession, _ endpoint: UpstreamEndpoint) -> Link? {
    if case .url = session.cluster.server?.kind { return openWebSocket(session, endpoint) }
    return startChild(session, endpoint)
  }

  private func openWebSocket(_ session: UpstreamSession, _ endpoint: UpstreamEndpoint) -> Link? {
    guard let address = endpoint.address, let lines = endpoint.openingLines else { return nil }
    let target = Array(endpoint.target.utf8)
    return make(session, endpoint) { number in
      loop.webSockets.connect(
        address, context.settings.upstreamSocketSettings, target: target.rawBytes,
        authority: lines.authority.rawBytes, subprotocol: "mcp", headers: lines.headers.rawBytes,
        tag: TagKind.link.tag(UInt64(number))
      ).map { .webSocket($0) }
    }
  }

  private func startChild(_ session: UpstreamSession, _ endpoint: UpstreamEndpoint) -> Link? {
    guard let server = session.cluster.server, case .command(let command) = server.kind else { return nil }
    let groups = ChildGroups.ofThisProcess
    let group = groups.make(server.alias, server.childLimits)
    var options = context.settings.childOptions
    let weaker = options.bound(server.childLimits, group)
    if !weaker.isEmpty, let reason = groups.explanation(for: server.alias) {
      context.logger.warning(
        "limits of \(server.alias): \(weaker.joined(separator: "; ")), as \(reason)",
        metadata: ["server": "\(server.alias)"])
    }
    let link = make(session, endpoint) { number in
      loop.children.start(
        arguments: [command.command] + command.arguments,
        environment: ChildEnvironment.make(adding: command.environment),
        directory: command.workingDirectory, options, tag: TagKind.link.tag(UInt64(number))
      ).map { .child($0) }
    }
    guard let group else { return link }
    groups.started(group)
    if let link { link.group = group } else { _ = groups.ended(group) }
    return link
  }

  // MARK: The end

  /// A link of this worker is gone: the conversation that it carried will be opened anew by the next call.
  func died(_ link: Link, _ reason: String) {
    links[link.reference.number] = nil
    census.live.subtract(1, ordering: .relaxed)
    if let open = link.session.current, open.link == link.reference { _ = link.session.lost(open) }
    delegate.died(link, reason)
  }

  /// Why a WebSocket to an upstream has ended, as the end of a sentence about it.
  public func socketClosed(_ number: UInt32, _ connection: ConnectionID, _ error: ReactorError) {
    let code = loop.webSockets.closeCode(of: connection)
    links[number]?.died(
      code != 0 && code != 1006
        ? "closed its WebSocket with code \(code)" : "could not be reached over WebSocket: \(error)")
  }

  public func childExited(_ number: UInt32, _ error: ReactorError, status: Int64, signal: Int32) {
    guard let link = links[number] else { return }
    let wasTooLarge = link.group.map { ChildGroups.ofThisProcess.ended($0) } ?? false
    let how =
      if wasTooLarge {
        "used more than its `limits.memory`, and was ended"
      } else if error.isLineTooLong {
        "wrote a line without an end"
      } else if signal != 0 {
        "was ended by signal \(signal)"
      } else {
        "exited with status \(status)"
      }
    if error.isFailure, !error.isLineTooLong {
      link.startFailure = "could not be started: \(error)"
    } else if link.session.owner == nil, !link.isProbe, !link.isClosing {
      link.cluster.deaths.add(how)
    }
    link.died(link.startFailure ?? how)
  }

  public func childSaid(_ number: UInt32, _ line: RawSpan) {
    guard let link = links[number] else { return }
    // What a server of the legacy era says to a probe is no news.
    context.logger.log(
      level: link.isProbe ? .debug : .info, "\(link.cluster.alias): \(line.text)",
      metadata: ["server": "\(link.cluster.alias)"])
  }

  public func childDropped(_ number: UInt32, _ loss: ChatterLoss) {
    guard let link = links[number] else { return }
    let cluster = link.cluster
    cluster.droppedLog.lines.add(loss.lines, ordering: .relaxed)
    cluster.droppedLog.bytes.add(loss.bytes + loss.cut, ordering: .relaxed)
    context.logger.warning("\(cluster.alias): \(loss)", metadata: ["server": "\(cluster.alias)"])
  }

  public func closeAll() {
    isClosing = true
    for link in links.values { link.close() }
  }
}

/// What a child gets to see of our environment: a short list, and what is configured.
enum ChildEnvironment {
  static let inherited = ["PATH", "HOME", "LANG", "LOGNAME", "USER", "SHELL", "TERM", "TMPDIR"]

  static func make(adding configured: [String: String]) -> [String] {
    var variables: [String: String] = [:]
    for name in inherited {
      if let value = System.environment(name) { variables[name] = value }
    }
    variables.merge(configured) { $1 }
    return variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
  }
}
