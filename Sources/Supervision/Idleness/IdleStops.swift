import Clusters
import ConfigurationSyntax
import Links
import UpstreamClient
import Workers

/// Children that are stopped while nobody uses them (`idle_stop`): the next call starts them. A subscription to a resource is
/// a use; that clients wait for changes of lists is none, as what does not run changes nothing.
public final class IdleStops: @unchecked Sendable {  // touched on the control loop alone
  private let loop: ControlLoop
  private let listens: GatewayListens
  public weak var delegate: (any SupervisionDelegate)?

  public init(_ loop: ControlLoop, _ listens: GatewayListens) {
    self.loop = loop
    self.listens = listens
  }

  /// Has it looked at as soon as it may have been unused for long enough.
  public func arm(_ server: SupervisedCluster) {
    guard let wait = server.life?.untilIdle(now: loop.now) else { return }
    server.idleLooks += 1
    loop.after(milliseconds: wait) { [weak server, look = server.idleLooks] in
      if let server, server.idleLooks == look { server.raise(.idle) }
    }
  }

  /// Stops what nobody has used for long. False if somebody has.
  public func stop(_ server: SupervisedCluster, _ profile: Cluster.Profile) async -> Bool {
    let links = links(of: server)
    guard let since = await idleSince(links, server) else {
      server.life?.used(until: loop.now)
      return false
    }
    server.life?.used(until: since)
    guard server.life?.untilIdle(now: loop.now) == 0 else { return false }
    // From now on whoever starts it says so.
    server.cluster.update(.stopped(profile))
    server.stopWatch()
    listens.stop(server)
    var isStopped = true
    for link in links where await !rest(link, unusedSince: since) { isStopped = false }
    guard isStopped else {
      server.life?.used(until: loop.now)
      await start(server, profile)
      return false
    }
    server.life?.stopped(now: loop.now)
    let time = server.cluster.server?.idleStop.map { Quantity.describe($0) } ?? ""
    loop.logger.info(
      "\(server.cluster.alias) is stopped: nobody has used it for \(time)",
      metadata: ["server": "\(server.cluster.alias)"])
    return true
  }

  /// Returns when somebody needs it, with who waits for what is to be heard of it then; nil if it is left. Throws if it could
  /// not be started.
  public func awaitNeed(_ server: SupervisedCluster) async throws(UpstreamFailure) -> [@Sendable () -> Void]? {
    while true {
      let news = await server.next()
      if news.stops || loop.isStopped || server.isDismissed {
        news.settle()
        return nil
      }
      if let reason = news.suspicion {
        // Somebody has started it, or tried to.
        server.life?.begins(now: loop.now)
        news.settle()
        throw UpstreamFailure(reason)
      }
      guard news.isWoken || !wants(server).isEmpty else {
        news.settle()
        continue
      }
      let alias = server.cluster.alias
      loop.logger.info("\(alias) is started again: somebody needs it", metadata: ["server": "\(alias)"])
      return news.settled + news.reprobed
    }
  }

  /// It runs again, or will as soon as it is asked something.
  public func start(_ server: SupervisedCluster, _ profile: Cluster.Profile) async {
    server.life?.begins(now: loop.now)
    server.cluster.update(.ready(profile))
    server.startWatch(loop, delegate)
    await listens.start(server, profile)
  }

  // MARK: What is used

  /// Resources of it that somebody wants to hear of.
  private func wants(_ server: SupervisedCluster) -> [[UInt8]] {
    loop.sessions.interests.wanted(of: server.cluster.number)
  }

  private func conversations(of server: SupervisedCluster) -> [UpstreamSession] {
    server.cluster.endpoints.map { loop.upstream.shared.sessions.shared(server.cluster, at: $0.index) }
  }

  private func links(of server: SupervisedCluster) -> [LinkReference] {
    conversations(of: server).compactMap { $0.current?.link }
  }

  /// Since when nobody has used it; nil while somebody does.
  private func idleSince(_ links: [LinkReference], _ server: SupervisedCluster) async -> UInt64? {
    guard !links.isEmpty, server.refreshes.underWay.isEmpty, wants(server).isEmpty,
      conversations(of: server).allSatisfy(\.subscriptions.isEmpty)
    else { return nil }
    var latest: UInt64 = 0
    for link in links {
      let since = await withCheckedContinuation { continuation in
        loop.upstream.links.idleSince(link) { continuation.resume(returning: $0) }
      }
      guard let since else { return nil }
      latest = max(latest, since)
    }
    return latest
  }

  private func rest(_ link: LinkReference, unusedSince since: UInt64) async -> Bool {
    await withCheckedContinuation { continuation in
      loop.upstream.links.rest(link, unusedSince: since) { continuation.resume(returning: $0) }
    }
  }
}
