import Clusters
import MCP
import Upstream
import UpstreamHealth
import Workers

/// A cluster that is supervised: what has happened to it, and who waits for that.
public final class SupervisedCluster: @unchecked Sendable {  // touched on the control loop alone
  public enum Event: Sendable {
    /// Which resources somebody wants to hear of; who said so waits until the upstream knows.
    case interestChanged(@Sendable () -> Void)
    case streamEnded
    /// It may speak another revision by now; who said so waits for another look.
    case outOfDate(@Sendable () -> Void)
    /// A legacy upstream did not understand a call.
    case misunderstood
    case suspect(String)
    /// The endpoint that the gateway itself speaks to is gone, but not all others.
    case leaderLost
    /// Nobody may have used it for long.
    case idle
    /// What was stopped has been started for somebody.
    case woken
    /// What has failed is to be tried again.
    case reset
    case stop
  }

  /// What has happened since the last look.
  public struct News {
    public var settled: [@Sendable () -> Void] = []
    public var streamEnded = false
    public var reprobed: [@Sendable () -> Void] = []
    public var isMisunderstood = false
    public var suspicion: String?
    public var isLeaderLost = false
    public var isIdle = false
    public var isWoken = false
    public var isReset = false
    public var stops = false

    public init() {}

    /// Whoever waits for something of it goes on.
    public func settle() {
      for settled in settled + reprobed { settled() }
    }

    public mutating func add(_ event: Event) {
      switch event {
      case .interestChanged(let done): settled.append(done)
      case .streamEnded: streamEnded = true
      case .outOfDate(let done): reprobed.append(done)
      case .misunderstood: isMisunderstood = true
      case .suspect(let reason): suspicion = suspicion ?? reason
      case .leaderLost: isLeaderLost = true
      case .idle: isIdle = true
      case .woken: isWoken = true
      case .reset: isReset = true
      case .stop: stops = true
      }
    }
  }

  public let cluster: Cluster
  /// The gateway's own conversation with it.
  public var binding: UpstreamSession?
  /// What the gateway hears of it outside of calls.
  let listening = Listening()
  public var backoff = Backoff()
  /// That of its child, if it is a command.
  public var life: ChildLife?
  /// Counts the times that were set for a look whether anybody uses it: the last one holds.
  public var idleLooks = 0
  /// How its endpoints fare, while it is ready.
  private var watch: EndpointWatch?
  /// Whether calls wait for it while it is away.
  public var absence = AbsenceState()
  /// Who waits for it to come back.
  private var awaiting: [@Sendable () -> Void] = []
  /// The upstream is left: nothing is begun any more.
  public private(set) var isDismissed = false
  /// What was known as legacy may speak the modern era by now.
  var isUpgraded = false
  /// It was started again: it may be another version.
  public var mayBeUpgraded = false
  /// When it was last asked whether it does.
  public var askedForUpgrade: UInt64 = 0
  /// Its lists that are being fetched, and who waits for them.
  public var refreshes = ListRefreshState<() -> Void>()
  public var announcements = ListAnnouncements()
  /// What was wrong with its lists, by kind, as they came last.
  public var excesses: [ListKind: ListExcess] = [:]
  /// Lists that could not be had when they were asked for last.
  public var missing: ListKinds = []
  /// Who waits for the next look at what it speaks.
  public var reprobed: [@Sendable () -> Void] = []
  private var news: News?
  private var waiter: CheckedContinuation<Void, Never>?
  /// It is to be looked at again when some time is over, or when it has come to have other endpoints.
  private var rest: CheckedContinuation<Void, Never>?
  private var rests = 0

  init(_ cluster: Cluster) {
    self.cluster = cluster
    life = ChildLife(of: cluster)
  }

  /// The profile of the last look, if that was good.
  var readyProfile: Cluster.Profile? {
    if case .ready(let profile) = cluster.health { profile } else { nil }
  }

  public func raise(_ event: Event) {
    news = news ?? News()
    news?.add(event)
    waiter?.resume()
    waiter = nil
  }

  /// The upstream is left.
  public func dismiss() {
    isDismissed = true
    raise(.stop)
  }

  /// It is ready: its endpoints are watched from now on.
  public func startWatch(_ loop: ControlLoop, _ delegate: (any SupervisionDelegate)?) {
    stopWatch()
    watch = EndpointWatch(loop, cluster, binding) { [weak self] reason in self?.lost(reason) }
    watch?.delegate = delegate
    if !isLed { raise(.leaderLost) }
  }

  public func stopWatch() {
    watch?.end()
    watch = nil
  }

  /// Calls have found that an endpoint takes no connections, or that what it had is broken.
  public func doubted(_ endpoint: Int, _ reason: String) {
    guard cluster.hasSeveralEndpoints else { return raise(.suspect(reason)) }
    // Where none is watched one is looked for that answers.
    guard let watch else { return }
    watch.doubted(endpoint)
    if endpoint == cluster.leader { lost(reason) }
  }

  /// Other endpoints are members of it now.
  public func membersChanged() {
    watch?.membersChanged()
    if !isLed { raise(.leaderLost) }
    endRest()
  }

  /// The endpoint that leads has not left.
  private var isLed: Bool { cluster.members.contains { $0.index == cluster.leader } }

  public func opened(_ endpoint: Int) { watch?.opened(endpoint) }

  /// So calls at an endpoint have ended on one worker.
  public func fared(_ endpoint: Int, _ outcomes: OutcomeCounts) { watch?.fared(endpoint, outcomes) }

  /// What the gateway itself speaks to is gone.
  private func lost(_ reason: String) {
    let now = cluster.members.contains { $0.index != cluster.leader && $0.standing.health == .usable }
    raise(now ? .leaderLost : .suspect(reason))
  }

  /// Returns when it is to be looked at again.
  public func pause(_ loop: ControlLoop, _ milliseconds: UInt64) async {
    await withCheckedContinuation { continuation in
      rest = continuation
      rests += 1
      let number = rests
      loop.after(milliseconds: milliseconds) { [self] in if number == rests { endRest() } }
    }
  }

  private func endRest() {
    rest?.resume()
    rest = nil
  }

  /// Calls `done` as soon as it is known whether it can be called.
  public func awaitReturn(_ done: @escaping @Sendable () -> Void) {
    // What may have gone a moment ago is looked at first.
    if news?.suspicion != nil { return awaiting.append(done) }
    switch cluster.health {
    case .unknown, .comingBack: awaiting.append(done)
    case .ready, .stopped, .down, .failed: done()
    }
  }

  /// It is known.
  public func settleReturn() {
    let waiting = awaiting
    awaiting = []
    for done in waiting { done() }
  }

  /// Forgets what has happened: the upstream is looked at afresh.
  public func clear() {
    news?.settle()
    news = nil
  }

  public func settleProbe() {
    for settled in reprobed { settled() }
    reprobed = []
  }

  /// Who waits for a list goes on without it.
  public func giveUpRefreshes() {
    for goOn in refreshes.takeAll() { goOn() }
  }

  /// It has failed: returns when it is to be tried again, or is left.
  public func awaitReset(_ loop: ControlLoop) async {
    while !loop.isStopped, !isDismissed {
      let news = await next()
      news.settle()
      guard news.isReset else { continue }
      life?.reset(now: loop.now)
      return cluster.update(.comingBack(reason: "it is started again", cluster.profile))
    }
  }

  /// It has just answered: what calls found before that is over.
  public func forgetDoubts() {
    news?.suspicion = nil
    news?.isLeaderLost = false
  }

  /// What has happened since the last call; waits for something to happen.
  public func next() async -> News {
    if news == nil {
      await withCheckedContinuation { waiter = $0 }
    }
    defer { news = nil }
    return news ?? News()
  }
}

/// The clusters that are supervised, by their id.
public final class SupervisedClusters: @unchecked Sendable {  // touched on the control loop alone
  public init() {}

  private var table: [Int: SupervisedCluster] = [:]

  public subscript(cluster: Cluster) -> SupervisedCluster? { table[cluster.id] }

  public var all: some Collection<SupervisedCluster> { table.values }

  public func add(_ cluster: Cluster) -> SupervisedCluster {
    let supervised = SupervisedCluster(cluster)
    table[cluster.id] = supervised
    return supervised
  }

  public func remove(_ cluster: Cluster) -> SupervisedCluster? { table.removeValue(forKey: cluster.id) }
}
