import Configuration
import MCP
import Reactor
import Wire

/// Links as the worker that holds a call sees them: nearby or on another worker.
extension Worker {
  func sendLink(_ link: LinkReference, _ message: RawSpan, _ call: ExchangeID?) {
    let caller = call.map { self.caller(of: exchanges[$0]) } ?? .gateway
    if link.worker == index {
      guard let found = links[link.number] else {
        if let call { linkLost(call, link, "is gone") }
        return
      }
      return found.send(message, call, of: caller)
    }
    let bytes = message.array
    let from = index
    gateway.post(to: link.worker) { worker in
      guard let found = worker.links[link.number] else {
        if let call { worker.gateway.post(to: from) { $0.linkLost(call, link, "is gone") } }
        return
      }
      found.send(bytes.rawBytes, call, of: caller)
    }
  }

  private func caller(of exchange: Exchange) -> LinkCalls.Caller {
    if case .local = exchange.origin { return .gateway }
    if let session = exchange.session { return .session(session.id, session.principal) }
    return .modern(exchange.logLevel, settings.tellsClientsApart ? principal(of: exchange) : .anonymous)
  }

  func linkCallEnded(_ link: LinkReference, _ call: ExchangeID) {
    on(link.worker) { $0.links[link.number]?.callEnded(call) }
  }

  /// A message that came over a link for one of this worker's calls.
  func receive(_ call: ExchangeID, _ message: RawSpan, from link: LinkReference) {
    guard exchanges.contains(call), exchanges[call].carrier == .link(link) else { return }
    receive(call, message)
  }

  /// A child does not read what waits for it: nothing more is heaped up.
  func linkRefused(_ call: ExchangeID, _ link: LinkReference) {
    guard exchanges.contains(call), exchanges[call].carrier == .link(link), let cluster = exchanges[call].cluster else {
      return
    }
    exchanges[call].carrier = .none
    fail(call, .busy(cluster, "it does not read its input"))
  }

  /// An HTTP+SSE server does not know the session any more: once, the call goes out again in a new one.
  func linkForgotten(_ call: ExchangeID, _ link: LinkReference, status: Int, _ message: [UInt8]?) {
    linkCallEnded(link, call)
    guard let exchange = exchanges.find(call), exchange.carrier == .link(link), let cluster = exchange.cluster else {
      return
    }
    exchange.carrier = .none
    guard !exchange.retried, exchange.method != .initialize, let message, let profile = cluster.profile else {
      return fail(call, .refused(cluster, "HTTP \(status)"))
    }
    exchange.retried = true
    send(exchange, message.rawBytes, cluster, profile)
  }

  /// The link died with a call on it.
  func linkLost(_ call: ExchangeID, _ link: LinkReference, _ reason: String) {
    guard exchanges.contains(call), exchanges[call].carrier == .link(link), let cluster = exchanges[call].cluster else {
      return
    }
    exchanges[call].carrier = .none
    fail(call, .lost(cluster, reason))
  }

  /// The answer to a call is larger than a result may be; it was not kept.
  func linkTooLarge(_ call: ExchangeID, _ link: LinkReference) {
    guard exchanges.contains(call), exchanges[call].carrier == .link(link), let cluster = exchanges[call].cluster else {
      return
    }
    exchanges[call].carrier = .none
    fail(call, .tooLarge(cluster, limit: settings.resultLimit))
  }

  /// What came over the link for a call is no answer.
  func linkMalformed(_ call: ExchangeID, _ link: LinkReference, _ why: String) {
    guard exchanges.contains(call), exchanges[call].carrier == .link(link), let cluster = exchanges[call].cluster else {
      return
    }
    exchanges[call].carrier = .none
    fail(call, .malformed(cluster, why))
  }

  /// A link of this worker is gone: the conversation it carried will be opened anew by the next call.
  func linkDied(_ link: Link, _ reason: String) {
    links[link.reference.number] = nil
    gateway.liveLinks.subtract(1, ordering: .relaxed)
    if let open = link.binding.current, open.link == link.reference { _ = link.binding.lost(open) }
    // A child that was only probed, or that we ended ourselves, is no news.
    guard !link.isProbe, !link.isStarting, !link.isClosing else {
      return logger.debug("\(link.cluster.alias) \(reason)", metadata: ["server": "\(link.cluster.alias)"])
    }
    logger.warning("\(link.cluster.alias) \(reason)", metadata: ["server": "\(link.cluster.alias)"])
    guard link.binding.owner == nil else { return }
    // At once, so that no call starts a child of its own before the control loop does.
    link.cluster.update(.down(reason: reason, retryAt: now + 500, link.cluster.profile))
    control?.linkDied(link.cluster, reason)
  }

  func makeLink(_ binding: UpstreamSession, _ wire: (UInt32) -> Link.Wire?) -> Link? {
    guard !isClosing else { return nil }
    let number = nextLink
    nextLink += 1
    guard let wire = wire(number) else { return nil }
    let link = Link(LinkReference(worker: index, number: number), binding, self, wire)
    links[number] = link
    gateway.liveLinks.add(1, ordering: .relaxed)
    return link
  }

  /// Opens what carries the messages of a child or of a WebSocket. What is sent at once waits until it is open.
  func startLink(_ binding: UpstreamSession) -> Link? {
    if case .url = binding.cluster.server?.kind { return openWebSocket(binding) }
    return startChild(binding)
  }

  private func openWebSocket(_ binding: UpstreamSession) -> Link? {
    let cluster = binding.cluster
    guard let endpoint = cluster.endpoint, let lines = cluster.openingLines else { return nil }
    return makeLink(binding) { number in
      loop.connectWebSocket(
        endpoint, settings.upstreamSocketSettings, target: cluster.target.utf8.span.bytes,
        authority: lines.authority.rawBytes, subprotocol: Self.subprotocol, headers: lines.headers.rawBytes,
        tag: tag(.link, UInt64(number))
      ).map { .webSocket($0) }
    }
  }

  /// Why a WebSocket to an upstream has ended, as the end of a sentence about it.
  func socketEnd(_ connection: ConnectionID, _ error: ReactorError) -> String {
    let code = loop.closeCode(of: connection)
    if code != 0, code != 1006 { return "closed its WebSocket with code \(code)" }
    return "could not be reached over WebSocket: \(error)"
  }

  private func startChild(_ binding: UpstreamSession) -> Link? {
    guard case .command(let command) = binding.cluster.server?.kind else { return nil }
    return makeLink(binding) { number in
      loop.startChild(
        arguments: [command.command] + command.arguments,
        environment: ChildEnvironment.make(adding: command.environment),
        directory: command.workingDirectory, settings.childOptions, tag: tag(.link, UInt64(number))
      ).map { .child($0) }
    }
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
