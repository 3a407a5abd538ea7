import Clusters
import MCP
import Reactor
import Upstream

/// Why a request on a link comes to nothing.
public enum LinkFailure: Sendable {
  /// It does not read what waits for it: nothing more is heaped up.
  case busy
  /// The link is gone.
  case lost(String)
  /// The answer is larger than a result may be; it was not kept.
  case tooLarge
  /// What came for it is no answer.
  case malformed(String)
  /// It is being ended since nobody used it, and has not got the message.
  case resting([UInt8])
  /// An HTTP+SSE server does not know the session any more. With the request's message, if it was kept.
  case forgotten(status: Int, [UInt8]?)

  public func error(_ cluster: Cluster, limit: Int) -> GatewayError {
    switch self {
    case .busy: .busy(cluster, "it does not read its input")
    case .lost(let why): .lost(cluster, why)
    case .resting: .unavailable(cluster, "it is being stopped", retryAfter: 1000)
    case .tooLarge: .tooLarge(cluster, limit: limit)
    case .malformed(let why): .malformed(cluster, why)
    case .forgotten(let status, _): .forgotten(cluster, "HTTP \(status)")
    }
  }
}

/// What the upstream clients of two loops say to each other.
public enum UpstreamLetter: Sendable {
  // To the loop of a link.
  case send([UInt8], over: LinkReference, RequestID?, LinkCalls.Caller)
  case callEnded(RequestID, LinkReference)
  /// The request that was asked is over: somebody else is to be.
  case notAsked([UInt8], LinkReference, attempts: Int)
  case linkStarted(LinkReference)
  case closeLink(LinkReference)
  /// Whether its child has read all that it was sent.
  case isUnread(LinkReference, @Sendable (Bool) -> Void)
  /// Since when no client has used it; nil while one does.
  case idleSince(LinkReference, @Sendable (UInt64?) -> Void)
  /// Ends it unless a client has used it since; whether that was so.
  case rest(LinkReference, unusedSince: UInt64, @Sendable (Bool) -> Void)
  case shakeHands(UpstreamSession, LinkReference, Opening.Completion)

  // To the loop of a request.
  case brought([UInt8], RequestID, LinkReference, isOver: Bool)
  case failed(RequestID, LinkReference, LinkFailure)
  case asked([UInt8], RequestID, LinkReference, isGuess: Bool, attempts: Int)
  /// The response to a request came on the stream of its session.
  case beside([UInt8], RequestID, UpstreamSession.Open, Cluster)
  /// Its conversation is open, or why not.
  case resume(RequestID, failure: Unopened?)
  /// What was waited for is there, or its time is up.
  case goOn(UInt64)

  // To the loop of a connection, or to any.
  /// An endpoint of a cluster does not answer any more.
  case endpointLost(Cluster, Int)
  case pool(PoolLetter, UpstreamEndpoint)
  /// The endpoints of a cluster are spoken to over connections that are held ready.
  case openAhead(Cluster)
  case closeStream(ConnectionID)
  case end(UpstreamSession.Open, Cluster)
  case bringSubscriptions(UpstreamSession, [[UInt8]])
  /// Nothing more goes to a cluster; with who hears that nothing of it is on its way any more.
  case leave(Cluster, keepsStake: Bool, @Sendable () -> Void)
  /// The same for one endpoint.
  case leaveEndpoint(UpstreamEndpoint, @Sendable () -> Void)
  case establish(UpstreamSession, at: Int, Era, isStarting: Bool, Opening.Completion)
}
