import Clusters
import Demonstration
import Links
import MCP
import Reactor
import Translation
import Upstream
import Wire
import Workers

/// The requests of one worker on their way to upstreams: how they are made, what carries them, and how they end.
public final class Requests: ConnectionUser {
  public let context: WorkerContext
  // Of the context, for the shortest way.
  public let loop: EventLoop
  public let head: Scratch
  private let body: Scratch
  public let links: Links
  public let memory: RequestMemory
  /// What carries them over HTTP.
  public let connections: Connections
  public let stakes: Stakes
  /// Whom requests of clients are for.
  private unowned(unsafe) var listener: (any UpstreamDelegate)?
  public var delegate: any UpstreamDelegate { unsafe listener! }
  /// What answers where no server is configured.
  public var demonstration: DemonstrationServer
  private var table: RequestTable
  private var readers: [ResponseReader] = []
  private var armSweep: () -> Void = {}
  /// What sees to it that requests of clients which came to nothing go out once more.
  private unowned(unsafe) var recoverer: (any RequestRecovery)?
  /// An upstream does not fare as it is believed to; on any thread.
  public let doubt: @Sendable (Cluster, UpstreamDoubt) -> Void
  /// What circuit breakers let through and hear.
  public let outcomes: Outcomes

  public init(
    _ context: WorkerContext, _ links: Links, _ demonstration: DemonstrationServer,
    doubt: @escaping @Sendable (Cluster, UpstreamDoubt) -> Void
  ) {
    self.doubt = doubt
    outcomes = Outcomes(context, doubt: doubt)
    self.context = context
    loop = context.loop
    head = context.head
    body = context.body
    self.links = links
    memory = RequestMemory(context)
    connections = Connections(context, memory, links.mail)
    stakes = Stakes(context, connections)
    self.demonstration = demonstration
    table = RequestTable(worker: context.index)
  }

  /// Before anything is asked. `armSweep` makes sure that `sweep` is called soon.
  public func connect(to delegate: any UpstreamDelegate, armSweep: @escaping () -> Void) {
    unsafe listener = delegate
    memory.connect(to: delegate)
    outcomes.connect(to: delegate)
    connections.connect(to: self, armSweep: armSweep)
    self.armSweep = armSweep
  }

  /// Before anything is asked.
  public func connect(to recovery: any RequestRecovery) { unsafe recoverer = recovery }

  private var headBytes: RawSpan {
    @_lifetime(borrow self)
    get { head.bytes(of: self) }
  }
  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  public var count: Int { table.count }
  public func find(_ id: RequestID) -> UpstreamRequest? { table.find(id) }
  /// The same for who looks at it within this turn of the loop.
  public func lend(_ id: RequestID) -> Lent<UpstreamRequest>? { table.lend(id) }
  public func contains(_ id: RequestID) -> Bool { table.contains(id) }
  public func ids(where matches: (UpstreamRequest) -> Bool) -> [RequestID] { table.ids(where: matches) }
  public func contains(where matches: (UpstreamRequest) -> Bool) -> Bool { table.contains(where: matches) }

  // MARK: Making

  /// nil if this worker holds as many requests as it can name, or the upstream has as many of that count as it may have in
  /// flight: a server that asks much and takes no answers uses that up itself.
  /// - Parameter endpoint: of the cluster's.
  public func make(
    _ owner: UpstreamRequest.Owner, _ cluster: Cluster, at endpoint: Int, as count: RequestCount
  ) -> UpstreamRequest? {
    let hold = stakes.hold(on: cluster, endpoint)
    let isFull = hold.with { hold in
      switch count {
      case .call: hold.stake.callsInFlight >= context.limits.callsPerUpstream
      case .aside: hold.stake.asidesInFlight >= context.limits.callsPerUpstream
      case .none: false
      }
    }
    guard !isFull, let request = table.make(owner, hold, count) else { return nil }
    hold.with { $0.stake.count(1, as: count) }
    request.startedAt = loop.now
    if !request.isClients { armSweep() }
    return request
  }

  /// A request whose answer the gateway itself awaits.
  /// - Parameter timeout: nil for a listen, which has no end of its own.
  public func make(
    _ call: LocalCall, _ cluster: Cluster, at endpoint: Int, _ method: Method, timeout: UInt64?
  ) -> UpstreamRequest? {
    guard let request = make(.gateway(call), cluster, at: endpoint, as: .none) else { return nil }
    request.method = method
    request.deadline = timeout.map { loop.now + $0 } ?? .max
    return request
  }

  /// A request that was made for one endpoint goes to another of the same cluster.
  public func direct(_ request: UpstreamRequest, to endpoint: Int) {
    guard let hold = request.hold, hold.with({ $0.endpoint.index != endpoint }) else { return }
    let other = hold.with { stakes.hold(on: $0.cluster, endpoint) }
    hold.with { $0.stake.count(-1, as: request.count) }
    other.with { $0.stake.count(1, as: request.count) }
    request.direct(to: other)
  }

  // MARK: Through a conversation

  /// Sends a message through an open conversation.
  public func carry(
    _ request: UpstreamRequest, _ message: RawSpan, _ open: consuming UpstreamSession.Open, _ cluster: Cluster
  ) {
    if cluster.hasSeveralEndpoints { direct(request, to: open.endpoint) }
    if let link = open.link {
      request.opened = consume open
      if case .nobody = request.owner {
        links.send(message, over: link)
        return end(request)
      }
      let caller = request.isClients ? delegate.caller(of: request) : .gateway
      if let refusal = request.hold.flatMap({ $0.with { outcomes.admit(request, message, $0, now: loop.now) } }) {
        // Over a link nothing else keeps it.
        return fail(request, refusal, message.array)
      }
      request.carrier = .link(link)
      request.state.sent()
      return links.send(message, over: link, for: request.id, of: caller)
    }
    if request.isClients || open.http != nil {
      if request.reader == nil { request.reader = takeReader() }
      if let reader = request.reader { memory.keep(message, of: request, in: reader) }
    }
    writeHead(of: request, open, length: message.byteCount)
    request.opened = consume open
    post(request, message)
  }

  /// Keeps a request's message until it goes out. False, and the request has failed, where that can't be.
  public func park(_ request: UpstreamRequest, _ message: RawSpan) -> Bool {
    guard let error = memory.park(request, message) else { return true }
    fail(request, error)
    return false
  }

  // MARK: Over HTTP

  /// The header lines that every request of an open legacy conversation carries.
  public func appendSession(_ open: borrowing UpstreamSession.Open) {
    if let id = open.http?.id { head.buffer.append(header: .mcpSessionID, id.rawBytes) }
    if open.revision.hasVersionHeader { head.buffer.append(header: .mcpProtocolVersion, open.revision.label) }
  }

  /// Writes the head of a POST to the endpoint of a request with a body of that length.
  func writeHead(of request: UpstreamRequest, _ open: borrowing UpstreamSession.Open, length: Int) {
    beginHead(of: request)
    appendSession(open)
    head.buffer.append(contentLength: length)
    head.buffer.appendHeadEnd()
  }

  /// Begins the head of a POST to the endpoint of a request.
  public func beginHead(of request: UpstreamRequest) {
    head.buffer.clear()
    request.hold?.with { $0.endpoint.appendRequestHead(to: &head.buffer) }
  }

  /// The same with other lines.
  public func writeHead(
    of request: UpstreamRequest, _ open: UpstreamSession.Open? = nil, lines: RawSpan, length: Int
  ) {
    beginHead(of: request)
    if let open { appendSession(open) }
    head.buffer.append(lines)
    head.buffer.append(contentLength: length)
    head.buffer.appendHeadEnd()
  }

  /// The same with what it begins with.
  func writeHead(_ start: RawSpan, length: Int) {
    head.buffer.clear()
    head.buffer.append(start)
    head.buffer.append(contentLength: length)
    head.buffer.appendHeadEnd()
  }

  /// Sends the head that was written, and a body, as soon as there is a connection.
  public func post(_ request: UpstreamRequest, _ message: RawSpan) {
    if request.reader == nil { request.reader = takeReader() }
    guard let hold = request.hold else { return }
    hold.with { hold in
      let now = loop.now
      if let refusal = outcomes.admit(request, message, hold, now: now) { return fail(request, refusal) }
      connections.post(request, headBytes, message, hold, now: now)
    }
  }

  /// POSTs a notification or a response of ours to a legacy upstream; what it answers does not matter.
  public func postAside(_ message: RawSpan, _ cluster: Cluster, _ open: UpstreamSession.Open) {
    if let link = open.link { return links.send(message, over: link) }
    guard let request = make(.nobody, cluster, at: open.endpoint, as: .aside) else { return }
    request.deadline = loop.now + 10_000
    writeHead(of: request, open, length: message.byteCount)
    post(request, message)
  }

  /// Stops reading what comes for a request until the client has taken what there is. False if its source can't be paused.
  public func pause(_ request: UpstreamRequest) -> Bool {
    guard case .connection(let connection) = request.carrier else { return false }
    request.isPaused = true
    connections.pause(connection)
    return true
  }

  public func resume(_ request: UpstreamRequest) {
    guard request.isPaused else { return }
    request.isPaused = false
    if case .connection(let connection) = request.carrier { connections.resume(connection) }
  }

  // MARK: Ends

  /// Whether a client's request goes out once more after this.
  public func recovers(_ request: UpstreamRequest, _ error: GatewayError, _ message: [UInt8]? = nil) -> Bool {
    guard request.isClients, let recoverer = unsafe recoverer else { return false }
    return recoverer.recovers(request, error, message)
  }

  /// A request comes to nothing.
  /// - Parameter message: as it was to go out, where it waited for that until now.
  public func fail(_ request: UpstreamRequest, _ error: GatewayError, _ message: [UInt8]? = nil) {
    switch request.owner {
    case .client:
      if request.waiting != nil { connections.leave(request) }
      outcomes.note(Outcomes.outcome(of: request, error, now: loop.now), of: request)
      if recovers(request, error, message) { return }
      delegate.failed(request, error)
    case .gateway(let call):
      end(request)
      call.complete(.failed(error.cause ?? error.phrase))
    case .message(let other, let link):
      end(request)
      links.failed(other, link, .lost(error.cause ?? error.phrase))
    case .nobody:
      end(request)
    }
  }

  /// Frees a request. Nothing is told to the upstream.
  public func end(_ request: UpstreamRequest) {
    if request.pass != nil { outcomes.release(request) }
    if let reader = request.reader.take() { giveBack(reader) }
    switch request.carrier {
    case .link(let link): links.callEnded(request.id, link)
    case .embedded: demonstration.cancelled(request.id.rawValue)
    case .none, .connection: break
    }
    request.hold?.with { $0.stake.count(-1, as: request.count) }
    if request.parked != nil { _ = memory.unpark(request) }
    if request.waiting != nil { connections.leave(request) }
    table.release(request)
  }

  /// Tells the upstream that nobody waits for the answer any more. What ends the request comes after it.
  public func cancel(_ request: UpstreamRequest, reason: StaticString) {
    guard request.method != .initialize, request.state.isKnownUpstream else { return }
    switch request.carrier {
    case .link(let link):
      writeCancellation(of: request, reason)
      links.send(bodyBytes, over: link)
      links.callEnded(request.id, link)
    case .embedded:
      demonstration.cancelled(request.id.rawValue)
    case .connection(let connection):
      loop.abort(connection)
      if request.revision.era == .legacy, let open = request.opened, let cluster = request.cluster {
        writeCancellation(of: request, reason)
        postAside(bodyBytes, cluster, open)
      }
    case .none:
      break
    }
    request.carrier = .none
  }

  /// Nobody waits for a request any more, if it is on its way yet.
  public func withdraw(_ id: RequestID, reason: StaticString) {
    guard let request = table.find(id) else { return }
    cancel(request, reason: reason)
    end(request)
  }

  /// The same where the upstream is not told.
  public func giveUp(_ id: RequestID) {
    if let request = table.find(id) { end(request) }
  }

  private func writeCancellation(of request: UpstreamRequest, _ reason: StaticString) {
    body.clear()
    body.buffer.append(cancelled: request.id.rawValue, reason: reason)
  }

  /// What is not answered in time, of requests that are no client's, and connections that do not end. True if there are
  /// more to be looked at.
  public func sweep() -> Bool {
    let now = loop.now
    for id in table.ids(where: { $0.deadline <= now && !$0.isClients }) {
      guard let request = table.find(id) else { continue }
      if case .nobody = request.owner {
        if case .connection(let connection) = request.carrier { loop.abort(connection) }
        end(request)
        continue
      }
      cancel(request, reason: "timed out")
      guard let cluster = request.cluster else { continue }
      fail(request, .timedOut(cluster, milliseconds: now - request.startedAt))
    }
    // A listen of the gateway's own has no deadline.
    return stakes.sweep() || table.contains { $0.deadline != .max }
  }

  /// Closes what has been idle for long.
  public func expireIdle() {
    stakes.leaveLate { hold in
      isInUse { hold.endpoint.hasLeft ? $0.endpoint === hold.endpoint : $0.cluster === hold.cluster }
    }
    stakes.expire()
  }

  /// Nothing more goes to a cluster. False while requests of it are on their way.
  /// - Parameter keepsStake: another cluster counts as the same server.
  public func leave(_ cluster: Cluster, keepsStake: Bool) -> Bool {
    if !keepsStake { stakes.close(cluster) }
    guard !isInUse({ $0.cluster === cluster }) else { return false }
    stakes.leave(cluster, keepsStake: keepsStake)
    return true
  }

  private func isInUse(_ isMeant: (ClusterHold) -> Bool) -> Bool {
    table.contains { request in request.hold?.with(isMeant) == true }
  }

  // MARK: Stock

  public func takeReader() -> ResponseReader { readers.popLast() ?? ResponseReader() }

  func giveBack(_ reader: consuming ResponseReader) {
    memory.uncover(reader)
    reader.reset()
    if readers.count < 256 { readers.append(reader) }
  }

  /// Memory is short: requests that are under way go out once, and nothing is kept for the next ones.
  public func giveUpMessages() {
    readers = []
    for id in table.ids(where: { $0.reader?.cover.party != nil }) {
      if let request = table.find(id) { memory.giveUpMessage(of: request) }
    }
  }
}
