import MCP
import Reactor
import Wire

/// What a client session has settled with upstreams, as it changes and when it ends.
extension Worker {
  /// A client set its log level: its conversations are told, and then it is answered.
  func spreadLogLevel(_ session: Session, _ completion: @escaping () -> Void) {
    var told: [(UpstreamSession, UpstreamSession.Open)] = session.openUpstreams
    for conversation in gateway.upstream.sessions.all where gateway.isShared(conversation, with: session) {
      if let open = conversation.current { told.append((conversation, open)) }
    }
    upstream.conversations.mirror.setLogLevel(in: told, completion)
  }

  /// A session listens now: what its own upstream conversations say outside of calls has somewhere to go.
  func sessionListens(_ session: Session) {
    for (conversation, open) in session.openUpstreams { upstream.conversations.hear(conversation, open) }
  }
}
