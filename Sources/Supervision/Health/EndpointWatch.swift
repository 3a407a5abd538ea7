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
  /// Those that are watched: places among these are what all else here goes by.
  private var members: [UpstreamEndpoint]
  private var health: [HealthState]
  private var outliers: OutlierDetector
  private var fitness: EndpointFitness
  /// Conversations to check endpoints in that the gateway has no other with, by the endpoint's index.
  private var sessions: [Int: UpstreamSession] = [:]
  /// The gateway's own conversation, with the leader.
  private var binding: UpstreamSession?
  /// Those that did not answer when they were last heard of, by their index.
  private var wasIll: Set<Int> = []
  private var isOver = false
  private var wakesAt = UInt64.max

  init(_ loop: ControlLoop, _ cluster: Cluster, _ binding: UpstreamSession?, lost: @escaping (String) -> Void) {
    self.loop = loop
    self.cluster = cluster
    self.binding = binding
    self.lost = lost
    members = cluster.members
    health = members.map { Self.health(of: $0, cluster, now: loop.now) }
    outliers = OutlierDetector(OutlierPolicy(cluster.routing), endpoints: members.count, now: loop.now)
    fitness = EndpointFitness(endpoints: health.count, isProcesses: cluster.isProcesses)
    // The leader has just answered.
    if let leader = place(of: cluster.leader) { _ = health[leader].ended(.success, now: loop.now) }
    wake(at: loop.now)
  }

  private static func health(of endpoint: UpstreamEndpoint, _ cluster: Cluster, now: UInt64) -> HealthState {
    HealthState(HealthPolicy(cluster.routing), seed: UInt64(endpoint.id) &* 0x9E37_79B9_7F4A_7C15 ^ now)
  }

  private func place(of index: Int) -> Int? { members.firstIndex { $0.index == index } }

  /// It is watched no more, or by another.
  func end() {
    isOver = true
    for session in sessions.values { loop.upstream.end(session) }
    sessions = [:]
  }

  /// Some have come, which get their calls little by little, or have left.
  func membersChanged() {
    let next = cluster.members
    let former = next.map { member in members.firstIndex { $0 === member } }
    for left in members where !next.contains(where: { $0 === left }) {
      wasIll.remove(left.index)
      if let session = sessions.removeValue(forKey: left.index) { loop.upstream.end(session) }
    }
    health = zip(next, former).map { member, former in
      former.map { health[$0] } ?? Self.health(of: member, cluster, now: loop.now)
    }
    members = next
    fitness.change(to: former)
    for change in outliers.change(to: former, now: loop.now) { note(change) }
    settle()
    wake(at: loop.now)
  }

  // MARK: What calls find out

  /// An endpoint took no connection, or one that it had broke.
  func doubted(_ index: Int) {
    // A process that is being started again is started no sooner because it was not there.
    guard let place = place(of: index), !cluster.isProcesses || health[place].status.isUsable else { return }
    perform(health[place].ended(.failure(.refused), now: loop.now), place)
    wake(at: loop.now)
  }

  /// The circuit breaker of an endpoint has opened.
  func opened(_ index: Int) {
    guard let place = place(of: index), health[place].status.isUsable else { return }
    if let change = outliers.opened(place, now: loop.now) { note(change) }
    wake(at: loop.now)
  }

  /// So calls at an endpoint have ended on one worker: compared with the others' when it is time.
  func fared(_ index: Int, _ outcomes: OutcomeCounts) {
    guard let place = place(of: index) else { return }
    outliers.add(place, successes: outcomes.successes, failures: outcomes.failures)
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
    for place in health.indices {
      health[place].answered(at: members[place].standing.answeredAt)
      while true {
        let action = health[place].tick(now: loop.now)
        if action == .none { break }
        perform(action, place)
      }
    }
    for change in outliers.tick(now: loop.now) { note(change) }
    settle()
    let next = health.reduce(outliers.nextTick) { min($0, $1.nextTick) }
    wake(at: max(next, loop.now + 10))
  }

  // MARK: Checks

  private func check(_ place: Int) {
    let endpoint = members[place]
    // What it speaks is being found out yet.
    guard let profile = cluster.profile else { return checked(endpoint, .withdrawn) }
    let session = session(at: endpoint.index, profile)
    // Who holds the other end of its pipes sees that a process lives; one that works on a call need not answer meanwhile, but of
    // several those are asked first that do.
    if profile.transport == .stdio, !cluster.isProcesses { return checked(endpoint, .success) }
    let timeout = health[place].policy.timeout
    let latest = loop.now + timeout
    let call = LocalCall { [weak self] outcome in
      guard let self else { return }
      if case .failed = outcome, loop.now >= latest { return checked(endpoint, .failure(.timeout)) }
      checked(endpoint, Self.outcome(outcome))
    }
    let isModern = profile.revision.era == .modern
    loop.upstream.messages.ask(
      cluster, profile, session, isModern ? .serverDiscover : .ping, at: endpoint.index, members: [],
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

  private func checked(_ endpoint: UpstreamEndpoint, _ outcome: CallOutcome) {
    guard !isOver, let place = members.firstIndex(where: { $0 === endpoint }) else { return }
    var outcome = outcome
    // Who connected knows more than that it came to nothing.
    if outcome.failure == .transport, endpoint.standing.breaker.isComingBack {
      outcome = .failure(.refused)
    }
    if outcome.provesLife { endpoint.standing.breaker.encouraged() }
    perform(health[place].checked(outcome, now: loop.now), place)
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

  private func perform(_ action: HealthState.Action, _ place: Int) {
    switch action {
    case .none: break
    case .check: check(place)
    case .becameHealthy: changed(place, isUsable: true)
    case .becameUnhealthy: changed(place, isUsable: false)
    }
  }

  private func changed(_ place: Int, isUsable: Bool) {
    let endpoint = members[place]
    let index = endpoint.index
    for change in outliers.setUsable(place, isUsable, now: loop.now) { note(change) }
    if isUsable { _ = endpoint.standing.breaker.reset(now: loop.now) }
    settle()
    let name = cluster.hasSeveralEndpoints ? endpoint.shown : cluster.alias
    if wasIll.contains(index) != !isUsable {
      let isKept = cluster.hasSeveralEndpoints && fitness.grades[place] != .unhealthy
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
    case .ejected(let place, let time):
      loop.logger.warning(
        "\(members[place].shown) does worse than the others; it gets no calls for \(time) ms",
        metadata: ["server": "\(cluster.alias)"])
      settle()
    case .returned(let place):
      loop.logger.info("\(members[place].shown) gets calls again", metadata: ["server": "\(cluster.alias)"])
      settle()
    }
  }

  /// Tells workers how endpoints are.
  private func settle() {
    let lost = fitness.update(health.map(\.status), isEjected: outliers.isEjected).map { members[$0] }
    for (place, endpoint) in members.enumerated() {
      let share = Int(outliers.share(of: place, now: loop.now) * Double(EndpointCondition.fullShare))
      let status: EndpointStanding.Health =
        switch fitness.grades[place] {
        case .usable: .usable
        case .ejected: .ejected
        case .unhealthy: .unhealthy
        }
      endpoint.standing.update(status, share: share)
    }
    // The only one there is may be busy: calls wait for it as long as they may.
    guard !lost.isEmpty, members.count > 1 else { return }
    // What waits for an answer from there, and may be asked elsewhere, does not wait any longer.
    for worker in 0..<loop.upstream.context.group.workerCount {
      for endpoint in lost { loop.upstream.shared.mail.send(.endpointLost(cluster, endpoint.index), to: worker) }
    }
    delegate?.endpointLost(of: cluster)
    let isLast = fitness.grades.allSatisfy { $0 == .unhealthy }
    if isLast || lost.contains(where: { $0.index == cluster.leader }) { self.lost("\(lost[0].shown) does not answer") }
  }
}
