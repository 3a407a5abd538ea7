import Clusters
import Logging
import MCP
import Reactor
import Upstream
import Wire
import Workers

/// What circuit breakers let through, and what they hear of how it ended. Clients' requests alone: what the gateway asks
/// for itself is how it finds out.
public final class Outcomes {
  private let loop: EventLoop
  private let logger: Logger
  private let reports: EndpointReports
  /// An upstream does not fare as it is believed to.
  private let doubt: @Sendable (Cluster, UpstreamDoubt) -> Void
  /// Who knows what tools are called.
  private unowned(unsafe) var listener: (any UpstreamDelegate)?

  init(_ context: WorkerContext, doubt: @escaping @Sendable (Cluster, UpstreamDoubt) -> Void) {
    loop = context.loop
    logger = context.logger
    reports = EndpointReports(context.timers, doubt: doubt)
    self.doubt = doubt
  }

  /// Before anything is asked.
  func connect(to delegate: any UpstreamDelegate) { unsafe listener = delegate }

  // MARK: Before

  /// Whether a client's request may go to the endpoint that it is for. Otherwise it has failed, or goes elsewhere.
  /// - Parameter message: as it is to go out.
  func admit(
    _ request: UpstreamRequest, _ message: RawSpan, _ hold: ClusterHold, now: UInt64
  ) -> GatewayError? {
    guard request.isClients, request.pass == nil else { return nil }
    request.retries.began(at: hold.endpoint.index)
    if request.retries.attempts == 1 { hold.server.budget.called() }
    if hold.isOneOfSeveral, case .unhealthy = hold.endpoint.standing.health,
      hold.endpoint.hasLeft || hold.cluster.hasAlternatives
    {
      return .unavailable(hold.cluster, "\(hold.endpoint.shown) does not answer", retryAfter: 1000)
    }
    switch hold.breaker.with({ $0.admit(now: now) }) {
    case .admitted(let pass):
      request.pass = pass
      if request.tool == 0 || hold.tools.with(\.isEmpty) { return nil }
      return admitTool(of: request, message, hold)
    case .comingBack(let time): return .unavailable(hold.cluster, "it went away a moment ago", retryAfter: time)
    case .refused(let time): return .circuitOpen(hold.cluster, retryAfter: time)
    }
  }

  /// The same for the one tool that it calls.
  private func admitTool(of request: UpstreamRequest, _ message: RawSpan, _ hold: ClusterHold) -> GatewayError? {
    switch hold.tools.with({ $0.admit(request.tool, now: loop.now) }) {
    case .admitted(let pass):
      request.toolPass = pass
      return nil
    case .comingBack(let time), .refused(let time):
      release(request)
      return .circuitOpen(hold.cluster, tool: Self.toolName(in: message), retryAfter: time)
    }
  }

  private static func toolName(in message: RawSpan) -> String {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(message)
    guard let name = envelope.value(Param.name) else { return "" }
    return JSON.string(name) ?? ""
  }

  /// It was not made after all, or nobody waits for it any more.
  func release(_ request: UpstreamRequest) {
    guard let pass = request.pass else { return }
    request.pass = nil
    request.hold?.with { hold in
      hold.breaker.with { $0.released(pass, now: loop.now) }
      if request.tool != 0 { hold.tools.with { $0.released(request.tool, request.toolPass, now: loop.now) } }
    }
  }

  // MARK: After

  /// What the failure of a request says of its endpoint.
  static func outcome(of request: UpstreamRequest, _ error: GatewayError, now: UInt64) -> CallOutcome {
    // Connections that were kept end with their process, or because they were idle: the one that is made next shows which.
    if case .upstreamClosed = error.kind, let since = request.reusedAt, request.state.isUnanswered,
      now - since <= RetryPolicy.keepAliveRace
    {
      return .withdrawn
    }
    return CallOutcome(error.kind)
  }

  /// A client's request has had its time, for which its endpoint is held to account if it has got it. To be said before it is
  /// cancelled.
  public func timedOut(_ request: UpstreamRequest) {
    if request.carrier != .none, !request.awaitsConnection { note(.failure(.timeout), of: request) }
  }

  /// It is known what came of a request at its endpoint.
  public func note(_ outcome: CallOutcome, of request: UpstreamRequest) {
    guard let pass = request.pass, let hold = request.hold else { return }
    request.pass = nil
    hold.with { hold in
      let outcome = outcome.failure != nil && Self.hasOwnProcess(request, hold) ? .withdrawn : outcome
      let change = hold.breaker.with {
        $0.ended(pass, outcome, tool: request.tool, &hold.stake.tally, now: loop.now)
      }
      if change != .none { noteChange(change, of: hold) }
      if hold.isOneOfSeveral { reports.add(outcome, at: hold, now: loop.now) }
      if request.tool != 0 { noteTool(outcome, of: request, hold) }
    }
  }

  /// Whether it goes to a process that is one client's alone: what becomes of that is no news of the others'.
  private static func hasOwnProcess(_ request: UpstreamRequest, _ hold: borrowing ClusterHold) -> Bool {
    guard request.session?.owner != nil, case .command = hold.cluster.server?.kind else { return false }
    return true
  }

  private func noteTool(_ outcome: CallOutcome, of request: UpstreamRequest, _ hold: ClusterHold) {
    if case .success = outcome, hold.tools.with(\.isEmpty) { return }
    let change = hold.tools.with { $0.ended(request.tool, request.toolPass, outcome, now: loop.now) }
    guard change != .none else { return }
    let subject = "\(name(of: hold)): its tool \"\(unsafe listener?.toolName(of: request) ?? "")\""
    let metadata: Logger.Metadata = ["server": "\(hold.cluster.alias)"]
    switch change {
    case .none, .comingBack: break
    case .opened(let time):
      logger.warning("\(subject) fails; it is not called for \(time) ms", metadata: metadata)
    case .closed: logger.info("\(subject) is called again", metadata: metadata)
    }
  }

  /// Nobody listens where it was to go. That the gateway's own requests find this out saves clients' from it.
  public func noteRefused(_ request: UpstreamRequest) {
    if request.pass == nil, let hold = request.hold,
      case .admitted(let pass) = hold.with({ $0.breaker.with { $0.admit(now: loop.now) } })
    {
      request.pass = pass
    }
    note(.failure(.refused), of: request)
  }

  /// For people.
  private func name(of hold: ClusterHold) -> String {
    hold.isOneOfSeveral ? hold.endpoint.shown : hold.cluster.alias
  }

  private func noteChange(_ change: BreakerChange, of hold: ClusterHold) {
    let name = name(of: hold)
    switch change {
    case .none: break
    case .opened(let time):
      doubt(hold.cluster, .opened(endpoint: hold.endpoint.index))
      logger.warning(
        "\(name): its calls fail; none goes there for \(time) ms", metadata: ["server": "\(hold.cluster.alias)"])
    case .comingBack:
      logger.info(
        "\(name) takes no connection, and is awaited", metadata: ["server": "\(hold.cluster.alias)"])
    case .closed:
      logger.info("\(name) answers again", metadata: ["server": "\(hold.cluster.alias)"])
    }
  }
}
