import Clusters
import Links
import MCP
import Sessions
import UpstreamClient

/// What a client session has settled with upstreams, as it changes.
public final class SessionUpstreams {
  private let sessions: SessionsShared
  private let conversations: Conversations

  public init(_ context: CallsContext) {
    sessions = context.sessions
    conversations = context.upstream.conversations
  }

  /// A client set its log level: its conversations are told, and then it is answered.
  public func spreadLogLevel(_ session: Session, _ completion: @escaping () -> Void) {
    var told: [(UpstreamSession, UpstreamSession.Open)] = session.openUpstreams
    for conversation in sessions.upstream.sessions.all where sessions.isShared(conversation, with: session) {
      if let open = conversation.current { told.append((conversation, open)) }
    }
    conversations.mirror.setLogLevel(in: told, completion)
  }

  /// A session listens now: what its own upstream conversations say outside of calls has somewhere to go.
  public func sessionListens(_ session: Session) {
    for (conversation, open) in session.openUpstreams { conversations.hear(conversation, open) }
  }
}
