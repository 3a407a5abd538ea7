import Clusters
import Configuration
import Logging
import Reactor
import Routing
import Supervision
import Synchronization
import UpstreamHealth
import Wire

/// The names of one server, each of whose addresses is an endpoint (`resolve: all`): they are looked up again and again, and
/// the server's endpoints follow.
final class NameWatch: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  /// Any of its faces: all have the same endpoints.
  private let cluster: Cluster
  private let changing: ChangingEndpoints
  private let desk: LookupDesk
  /// By the configured endpoint; nil where that is an address.
  private var names: [(host: String, state: NameState)?]
  private var membership: MembershipState
  /// Endpoints have come or gone.
  private let moved: (_ left: [UpstreamEndpoint]) -> Void
  private var isOver = false
  private var wakesAt = UInt64.max
  /// Who waits for the first answers, and whether that is still worth it.
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private var isPatient = true
  /// Of which names and addresses the log has said that they are too many.
  private var isCrowded = false

  /// - Parameter cluster: of a server whose names are followed.
  init?(
    _ loop: ControlLoop, _ cluster: Cluster, _ desk: LookupDesk, moved: @escaping (_ left: [UpstreamEndpoint]) -> Void
  ) {
    guard let changing = cluster.changing, case .url(let remote) = cluster.server?.kind else { return nil }
    self.loop = loop
    self.cluster = cluster
    self.changing = changing
    self.desk = desk
    self.moved = moved
    names = remote.endpoints.map { configured in
      guard !configured.url.isAddress else { return nil }
      return (
        configured.url.host, NameState(seed: RoutingKey(Array(configured.url.host.utf8).rawBytes).value ^ loop.now)
      )
    }
    membership = MembershipState(origins: remote.endpoints.count, most: UpstreamEndpoint.most)
    wake(at: loop.now)
    // A resolver that says nothing is like a server that does not answer.
    loop.after(milliseconds: loop.configuration.limits.connectTimeout.milliseconds) { [weak self] in self?.release() }
  }

  /// Its server is looked after no more.
  func end() {
    isOver = true
    release()
  }

  /// Returns when each name has been looked up, well or not, or that has taken for too long.
  func settled() async {
    guard !isOver, isPatient, names.contains(where: { $0?.state.isSettled == false }) else { return }
    await withCheckedContinuation { waiting.append($0) }
  }

  /// Something there does not answer, or it is to be looked at afresh.
  func urge() {
    for origin in names.indices { names[origin]?.state.urge(now: loop.now) }
    wakeWhenDue()
  }

  // MARK: Time

  private func wake(at time: UInt64) {
    guard !isOver, time < wakesAt else { return }
    wakesAt = time
    loop.after(milliseconds: time > loop.now ? time - loop.now : 0) { [weak self] in self?.awoke(at: time) }
  }

  private func wakeWhenDue() { wake(at: names.reduce(.max) { min($0, $1?.state.nextTick ?? .max) }) }

  private func awoke(at time: UInt64) {
    guard !isOver, !loop.isStopped, time == wakesAt else { return }
    wakesAt = .max
    for origin in names.indices where names[origin]?.state.tick(now: loop.now) == true {
      guard let host = names[origin]?.host else { continue }
      desk.lookUp(host) { [weak self] answer in self?.answered(answer, origin) }
    }
    wakeWhenDue()
  }

  // MARK: Answers

  private func answered(_ answer: NameLookup.Answer, _ origin: Int) {
    guard !isOver, !loop.isStopped, let host = names[origin]?.host else { return }
    let news: NameState.News? =
      switch answer {
      case .success(let addresses): names[origin]?.state.found(addresses, now: loop.now)
      case .failure(let failure): names[origin]?.state.failed(failure.text, now: loop.now)
      }
    switch news ?? .none {
    case .none: break
    case .recovered: log(.info, "\(host) is found again")
    case .failed(let why):
      let rest = names[origin]?.state.addresses.isEmpty == true ? "" : "; its endpoints stay as they are"
      log(.warning, "\(host) can't be looked up: \(why)\(rest)")
    case .moved(let addresses, let ignored):
      let change = membership.found(addresses, of: origin, now: loop.now)
      if ignored + change.ignored.count > 0 {
        warnOfCrowd(
          "\(host) leads to \(addresses.count + ignored) addresses", using: addresses.count - change.ignored.count)
      }
      adopt(change, host, origin)
    }
    if names.allSatisfy({ $0?.state.isSettled != false }) { release() }
    wakeWhenDue()
  }

  private func release() {
    isPatient = false
    let released = waiting
    waiting = []
    for continuation in released { continuation.resume() }
  }

  private func adopt(_ change: MembershipState.Change, _ host: String, _ origin: Int) {
    let before = changing.current
    var made: [Int: UpstreamEndpoint] = [:]
    let slowly =
      OutlierPolicy(cluster.routing).slowStart > 0 && !before.members.allSatisfy { change.left.contains($0.index) }
    for joined in change.joined {
      guard let endpoint = cluster.makeEndpoint(joined.index, at: joined.address, of: origin) else { continue }
      // Who comes to others gets its calls little by little: whoever watches it says how many.
      if slowly { endpoint.standing.update(.usable, share: EndpointCondition.fullShare / 10) }
      made[joined.index] = endpoint
    }
    let left = change.left.map { before.all[$0] }
    for endpoint in left { endpoint.leave() }
    changing.replace(members: membership.members.map { made[$0] ?? before.all[$0] })
    let gone = left.compactMap(\.address?.address)
    let news = change.joined.map { "+\($0.address)" } + gone.map { "-\($0)" }
    log(.info, "\(host) leads to \(membership.members.count) endpoints: \(news.joined(separator: " "))")
    moved(left)
  }

  /// Nothing is under way any more with one that has left.
  func drained(_ endpoint: UpstreamEndpoint) { membership.drained(endpoint.index, now: loop.now) }

  // MARK: The log

  private func warnOfCrowd(_ what: String, using used: Int) {
    guard !isCrowded else { return }
    isCrowded = true
    log(.warning, "\(what), of which \(used) are used: a name has \(NameState.most) endpoints at most")
  }

  private func log(_ level: Logger.Level, _ text: String) {
    loop.logger.log(level: level, "\(cluster.alias): \(text)", metadata: ["server": "\(cluster.alias)"])
  }
}

/// Where names are looked up, and the answers come back to the control loop from whatever thread. One that is still on its way
/// when the loop ends is dropped.
final class LookupDesk: Sendable {
  private let lookup: NameLookup
  private let loop: Mutex<ControlLoop?>

  init(_ loop: ControlLoop, _ lookup: NameLookup) {
    self.loop = Mutex(loop)
    self.lookup = lookup
  }

  /// `done` is called on the control loop.
  func lookUp(_ name: String, _ done: @escaping @Sendable (NameLookup.Answer) -> Void) {
    lookup.begin(name) { [weak self] answer in
      // The lock is held: the loop is there until it is closed here.
      self?.loop.withLock { loop in loop?.post { done(answer) } }
    }
  }

  func close() { loop.withLock { $0 = nil } }
}
