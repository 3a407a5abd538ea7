import Clusters
import MCP
import Reactor
import Sessions
import UpstreamClient
import UpstreamRequests
import Wire

/// Where the gateway itself hears what an upstream tells outside of calls: GET of its own legacy session, or
/// `subscriptions/listen` of a modern upstream. Legacy children tell without being asked.
public final class GatewayListens: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let questions: UpstreamQuestions
  private let restart: ListenRestart
  private let modern: ModernListens
  public weak var delegate: (any SupervisionDelegate)? {
    didSet { modern.delegate = delegate }
  }
  private var interests: Interests { loop.sessions.interests }

  public init(_ loop: ControlLoop, _ questions: UpstreamQuestions) {
    self.loop = loop
    self.questions = questions
    restart = ListenRestart(loop)
    modern = ModernListens(loop, restart)
  }

  /// Opens the stream, and has the upstream tell of what somebody wants to hear.
  public func start(_ supervised: SupervisedCluster, _ profile: Cluster.Profile) async {
    let cluster = supervised.cluster
    supervised.listening.since = loop.now
    // What is wanted of a server at all its first face tells; of what a conversation subscribed to that one hears.
    let wanted = cluster.isSecondFace ? Interests.Changes() : interests.follow(cluster.number, as: cluster.id)
    if profile.revision.era == .modern {
      await modern.begin(supervised, profile, wanted)
    } else {
      await openStream(supervised, profile)
      await settle(wanted, supervised, profile)
    }
  }

  public func stop(_ supervised: SupervisedCluster) {
    if let connection = supervised.listening.stream {
      supervised.listening.stream = nil
      loop.upstream.streams.drop(connection)
    }
    modern.endAll(supervised)
    interests.unfollow(supervised.cluster.number, as: supervised.cluster.id)
  }

  /// What was open has ended: another takes its place.
  public func startAgain(_ supervised: SupervisedCluster, _ profile: Cluster.Profile) async {
    stop(supervised)
    await start(supervised, profile)
    restart.makeUpForSilence(supervised, interests.wanted(of: supervised.cluster.number))
  }

  /// Has the upstream tell of exactly the resources that somebody wants to hear of now.
  public func settle(_ supervised: SupervisedCluster, _ profile: Cluster.Profile) async {
    let cluster = supervised.cluster
    await settle(interests.takeChanges(of: cluster.number, as: cluster.id), supervised, profile)
  }

  private func settle(
    _ changes: Interests.Changes, _ supervised: SupervisedCluster, _ profile: Cluster.Profile
  ) async {
    guard !changes.isEmpty, profile.offer.capabilities.contains(.resourcesSubscribe) else { return }
    if profile.revision.era == .modern { return await modern.settle(supervised, profile, changes) }
    for uri in changes.wanted { await subscribe(supervised, profile, .resourcesSubscribe, uri) }
    for uri in changes.unwanted where supervised.binding?.isSubscribed(uri) != true {
      await subscribe(supervised, profile, .resourcesUnsubscribe, uri)
    }
  }

  // MARK: Legacy upstreams

  /// Returns once the server has begun the stream of the gateway's own session, has refused it, or takes too long.
  private func openStream(_ supervised: SupervisedCluster, _ profile: Cluster.Profile) async {
    let (cluster, upstream, listening) = (supervised.cluster, loop.upstream, supervised.listening)
    guard profile.transport == .streamableHTTP, let open = supervised.binding?.current else { return }
    await withCheckedContinuation { continuation in
      let opening = LocalOpening { continuation.resume() }
      let stream = UpstreamStream(cluster, .notifications, session: supervised.binding, open: open)
      let past = listening.past.flatMap { $0.open?.isSame(as: open) == true ? $0 : nil }
      listening.past = nil
      if let past { stream.lastEventID = past.lastEventID }
      stream.settled = {
        cluster.note(.given)
        opening.complete()
      }
      stream.ended = { [weak supervised, unowned stream, restart] status in
        opening.complete()
        guard let supervised else { return }
        supervised.listening.stream = nil
        // The time that the server named holds until it names another.
        stream.retry = stream.retry ?? past?.retry
        if status == 200 || status == 0 {
          supervised.listening.past = stream
        } else if stream.lastEventID.isEmpty {
          // 405 and its like: the server has nothing to tell.
          return cluster.noteRefusal(status)
        }
        // Otherwise it does not know that event any more, for which no status is assigned: from now on, then.
        restart.schedule(supervised, asked: stream.retry, wasOfUse: stream.hasSpoken)
      }
      stream.moved = { [weak listening] in listening?.stream = $0 }
      listening.stream = upstream.streams.open(stream)
      if listening.stream == nil { return opening.complete() }
      loop.after(milliseconds: NotificationStreams.headTime) {
        guard !opening.isComplete else { return }
        cluster.note(.slow)
        opening.complete()
      }
    }
  }

  private func subscribe(
    _ supervised: SupervisedCluster, _ profile: Cluster.Profile, _ method: Method, _ uri: [UInt8]
  ) async {
    var members = ByteBuffer(capacity: uri.count + 16)
    members.append("\"uri\":")
    members.append(quoted: uri.rawBytes)
    // A server that refuses has nothing to tell: whoever named the resource hears of no changes.
    _ = await questions.outcome(
      supervised.cluster, profile, supervised.binding, method, members.bytes.array,
      ModernListens.acknowledgementTime)
  }
}
