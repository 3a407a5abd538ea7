import Clusters
import Configuration
import Logging
import MCP
import Routing
import Upstream
import UpstreamClient
import UpstreamHealth
import UpstreamRequests
import Wire
import Workers

/// How the endpoints of one cluster fare: each is checked at intervals and as soon as a call finds that something is wrong
/// with it, and what does worse than the others is taken out. Workers read what comes of that with each call.
final class EndpointWatch: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let cluster: Cluster
  /// Nothing of it can be called, or what the gateway itself speaks to can't.
  private let lost: (String) -> Void
  weak var delegate: (any SupervisionDelegate)?
  private var health: [HealthState]
  private var outliers: OutlierDetector
  private var fitness: EndpointFitness
  /// Conversations to check endpoints in that the gateway has no other with.
  private var sessions: [Int: UpstreamSession] = [:]
  /// The gateway's own conversation, with the leader.
  private var binding: UpstreamSession?
  /// Those that did not answer when they were last heard of.
  private var wasIll: Set<Int> = []
  private var isOver = false
  private var wakesAt = UInt64.max

  init(_ loop: ControlLoop, _ cluster: Cluster, _ binding: UpstreamSession?, lost: @escaping (String) -> Void) {
    self.loop = loop
    self.cluster = cluster
    self.binding = binding
    self.lost = lost
    let policy = HealthPolicy(cluster.routing)
    health = cluster.endpoints.map { HealthState(policy, seed: UInt64($0.id) &* 0x9E37_79B9_7F4A_7C15 ^ loop.now) }
    outliers = OutlierDetector(OutlierPolicy(cluster.routing), endpoints: cluster.endpoints.count, now: loop.now)
    fitness = EndpointFitness(endpoints: health.count, isProcesses: cluster.isProcesses)
    // The leader has just answered.
    _ = health[cluster.leader].ended(.success, now: loop.now)
    wake(at: loop.now)
  }

  /// It is watched no more, or by another.
  func end() {
    isOver = true
    for session in sessions.values { loop.upstream.end(session) }
    sessions = [:]
  }

  // MARK: What calls find out

  /// An endpoint took no connection, or one that it had broke.
  func doubted(_ endpoint: Int) {
    // A process that is being started again is started no sooner because it was not there.
    guard health.indices.contains(endpoint), !cluster.isProcesses || health[endpoint].status.isUsable else { return }
    perform(health[endpoint].ended(.failure(.refused), now: loop.now), endpoint)
    wake(at: loop.now)
  }

  /// The circuit breaker of an endpoint has opened.
  func opened(_ endpoint: Int) {
    guard health.indices.contains(endpoint), health[endpoint].status.isUsable else { return }
    if let change = outliers.opened(endpoint, now: loop.now) { note(change) }
    wake(at: loop.now)
  }

  /// So calls at an endpoint have ended on one worker: compared with the others' when it is time.
  func fared(_ endpoint: Int, _ outcomes: OutcomeCounts) {
    guard health.indices.contains(endpoint) else { return }
    outliers.add(endpoint, successes: outcomes.successes, failures: outcomes.failures)
  }

  // MARK: Time

  private func wake(at time: UInt64) {
    guard !isOver, time < wakesAt else { return }
    wakesAt = time
    loop.after(milliseconds: time > loop.now ? time - loop.now : 0) { [weak self] in self?.awoke(at: time) }
  }

  private func awoke(at time: UInt64) {
    guard !isOver, time == wakesAt else { return }
    wakesAt = .max
    for endpoint in health.indices {
      health[endpoint].answered(at: cluster.endpoints[endpoint].standing.answeredAt)
      while true {
        let action = health[endpoint].tick(now: loop.now)
        if action == .none { break }
        perform(action, endpoint)
      }
    }
    for change in outliers.tick(now: loop.now) { note(change) }
    settle()
    let next = health.reduce(outliers.nextTick) { min($0, $1.nextTick) }
    wake(at: max(next, loop.now + 10))
  }

  // MARK: Checks

  private func check(_ endpoint: Int) {
    // What it speaks is being found out yet.
    guard let profile = cluster.profile else { return checked(endpoint, .withdrawn) }
    let session = session(at: endpoint, profile)
    // Who holds the other end of its pipes sees that a process lives; one that works on a call need not answer meanwhile.
    if profile.transport == .stdio, !cluster.isProcesses || session?.current != nil {
      return checked(endpoint, .success)
    }
    let timeout = health[endpoint].policy.timeout
    let latest = loop.now + timeout
    let call = LocalCall { [weak self] outcome in
      guard let self else { return }
      if case .failed = outcome, loop.now >= latest { return checked(endpoint, .failure(.timeout)) }
      checked(endpoint, Self.outcome(outcome))
    }
    let isModern = profile.revision.era == .modern
    loop.upstream.messages.ask(
      cluster, profile, session, isModern ? .serverDiscover : .ping, at: endpoint, members: [],
      timeout: timeout, call)
  }

  private func session(at endpoint: Int, _ profile: Cluster.Profile) -> UpstreamSession? {
    if profile.revision.era == .modern, profile.transport == .streamableHTTP { return nil }
    if let binding, binding.endpoint == endpoint { return binding }
    if cluster.isolation == .shared { return loop.upstream.shared.sessions.shared(cluster, at: endpoint) }
    if let known = sessions[endpoint] { return known }
    let made = UpstreamSession(cluster: cluster, endpoint: endpoint, owner: nil, abilities: [], isFollowed: true)
    sessions[endpoint] = made
    return made
  }

  private func checked(_ endpoint: Int, _ outcome: CallOutcome) {
    guard !isOver else { return }
    var outcome = outcome
    // Who connected knows more than that it came to nothing.
    if outcome.failure == .transport, cluster.endpoints[endpoint].standing.breaker.isComingBack {
      outcome = .failure(.refused)
    }
    if outcome.provesLife { cluster.endpoints[endpoint].standing.breaker.encouraged() }
    perform(health[endpoint].checked(outcome, now: loop.now), endpoint)
    wake(at: loop.now + 1)
  }

  /// What the answer to a check says.
  private static func outcome(_ outcome: LocalCall.Outcome) -> CallOutcome {
    switch outcome {
    case .message(let bytes, let status, _):
      let scanner = EnvelopeScanner()
      let envelopes = scanner
      let envelope = envelopes.scan(bytes.rawBytes)
      guard let code = envelope.errorCode else { return .success }
      return CallOutcome(error: code, status: status == 0 ? 200 : status)
    case .status(let refusal, _): return CallOutcome(status: refusal.status)
    case .failed: return .failure(.transport)
    }
  }

  // MARK: What follows

  private func perform(_ action: HealthState.Action, _ endpoint: Int) {
    switch action {
    case .none: break
    case .check: check(endpoint)
    case .becameHealthy: changed(endpoint, isUsable: true)
    case .becameUnhealthy: changed(endpoint, isUsable: false)
    }
  }

  private func changed(_ index: Int, isUsable: Bool) {
    let endpoint = cluster.endpoints[index]
    for change in outliers.setUsable(index, isUsable, now: loop.now) { note(change) }
    if isUsable { _ = endpoint.standing.breaker.reset(now: loop.now) }
    settle()
    let name = cluster.hasSeveralEndpoints ? endpoint.shown : cluster.alias
    if wasIll.contains(index) != !isUsable {
      let isKept = cluster.hasSeveralEndpoints && fitness.grades[index] != .unhealthy
      let all = isKept ? "; it gets calls, as no other does better" : ""
      loop.logger.log(
        level: isUsable ? .info : .warning,
        "\(name) \(isUsable ? "is healthy again" : "does not answer health checks\(all)")",
        metadata: ["server": "\(cluster.alias)"])
    }
    if isUsable { wasIll.remove(index) } else { wasIll.insert(index) }
  }

  private func note(_ change: OutlierDetector.Change) {
    switch change {
    case .ejected(let index, let time):
      loop.logger.warning(
        "\(cluster.endpoints[index].shown) does worse than the others; it gets no calls for \(time) ms",
        metadata: ["server": "\(cluster.alias)"])
      settle()
    case .returned(let index):
      loop.logger.info(
        "\(cluster.endpoints[index].shown) gets calls again", metadata: ["server": "\(cluster.alias)"])
      settle()
    }
  }

  /// Tells workers how endpoints are.
  private func settle() {
    let lost = fitness.update(health.map(\.status), isEjected: outliers.isEjected)
    for endpoint in cluster.endpoints {
      let share = Int(outliers.share(of: endpoint.index, now: loop.now) * Double(EndpointCondition.fullShare))
      let status: EndpointStanding.Health =
        switch fitness.grades[endpoint.index] {
        case .usable: .usable
        case .ejected: .ejected
        case .unhealthy: .unhealthy
        }
      endpoint.standing.update(status, share: share)
    }
    // The only one there is may be busy: calls wait for it as long as they may.
    guard !lost.isEmpty, cluster.hasSeveralEndpoints else { return }
    // What waits for an answer from there, and may be asked elsewhere, does not wait any longer.
    for worker in 0..<loop.upstream.context.group.workerCount {
      for index in lost { loop.upstream.shared.mail.send(.endpointLost(cluster, index), to: worker) }
    }
    delegate?.endpointLost(of: cluster)
    let isLast = fitness.grades.allSatisfy { $0 == .unhealthy }
    if isLast || lost.contains(cluster.leader) { self.lost("\(cluster.endpoint(lost[0]).shown) does not answer") }
  }
}
