import Clusters
import Links
import Reactor
import Supervision
import UpstreamClient
import Workers

/// How an endpoint leaves that a name leads to no more. Calls under way end as they would; who had a conversation there has
/// it elsewhere from the next call on, and what was open is ended once nothing is under way with it.
struct Departure {
  let loop: ControlLoop
  let endpoint: UpstreamEndpoint
  /// Those that have it: the faces of one server.
  let clusters: [Cluster]

  /// What was open there.
  private typealias Left = [(open: UpstreamSession.Open, cluster: Cluster)]

  /// So that nothing new goes there: returns when that is so.
  /// - Returns: what is to be done when nothing is under way there any more; `end` does it.
  func begin() async -> () -> Void {
    let index = endpoint.index
    var left: Left = []
    var shared: [UpstreamSession] = []
    for cluster in clusters {
      let taken = loop.upstream.shared.sessions.take(of: cluster, at: index)
      shared += taken
      left += taken.compactMap { lose($0) }.map { ($0, cluster) }
    }
    await loop.visitSessions { session in
      for cluster in clusters {
        guard let own = session.ownUpstreams[cluster.key], own.current?.endpoint == index, let open = lose(own) else {
          continue
        }
        left.append((open, cluster))
      }
    }
    let (loop, opens, sessions) = (loop, left, shared)
    return {
      for (open, cluster) in opens { loop.upstream.end(open, cluster) }
      for session in sessions { loop.upstream.end(session) }
    }
  }

  private func lose(_ session: UpstreamSession) -> UpstreamSession.Open? {
    guard let open = session.current, session.lost(open) else { return nil }
    return open
  }

  /// Returns when nothing is under way there on any loop.
  func awaitEnd() async {
    let upstream = loop.upstream
    for index in 0..<upstream.context.group.loopCount {
      await withCheckedContinuation { continuation in
        upstream.shared.mail.send(.leaveEndpoint(endpoint) { continuation.resume() }, to: index)
      }
    }
  }
}
