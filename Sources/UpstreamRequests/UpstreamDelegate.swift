import Clusters
import Links
import MCP
import Reactor
import Upstream
import Wire
import Workers

/// Where an upstream says something that answers no request of ours.
public enum UpstreamVoice {
  /// In the course of a client's call.
  case request(UpstreamRequest)
  /// On a link, without a sign of the call that it belongs to.
  case link(Link)
  /// On the stream of a conversation.
  case stream(Cluster, UpstreamSession?, UpstreamSession.Open?)

  public var cluster: Cluster? {
    switch self {
    case .request(let request): request.cluster
    case .link(let link): link.cluster
    case .stream(let cluster, _, _): cluster
    }
  }

  /// The conversation in which it is said.
  public var session: UpstreamSession? {
    switch self {
    case .request(let request): request.session
    case .link(let link): link.session
    case .stream(_, let session, _): session
    }
  }
}

/// What a worker's upstreams have to say to those whose requests they serve. It is spoken to on the worker's loop, within
/// what the upstream has said: spans are gone when it returns.
public protocol UpstreamDelegate: AnyObject {
  /// The response to a client's request, which is over when the delegate ends it.
  func answered(_ request: UpstreamRequest, _ response: Envelope)
  /// There will be none. The same holds.
  func failed(_ request: UpstreamRequest, _ error: GatewayError)
  /// A notification, or a request of the server's.
  func said(_ message: Envelope, _ voice: UpstreamVoice)
  /// A server's request that seems to belong to a client's.
  /// - Parameter isGuess: the server may work on another one, so that the end of this one is not the end of it.
  func asked(_ question: RawSpan, in request: UpstreamRequest, isGuess: Bool)
  /// The upstream may speak another revision by now: a client's request is to be routed afresh once that is known, or comes
  /// to this.
  func outdated(_ request: UpstreamRequest, _ error: GatewayError)
  /// The upstream has moved: a client's request is to be routed afresh. Its message, as its client sent it.
  func redirected(_ request: UpstreamRequest, _ message: [UInt8])
  /// The response to a client's request is large, and so many bytes of it have come: whether it can go to the client as it
  /// comes.
  func passage(of request: UpstreamRequest, collected: Int) -> ResultPassage
  /// It does from here on. False if it can't any more.
  func beginPassing(_ request: UpstreamRequest) -> Bool
  /// More of such a response, rewritten. With the last of it the request is over.
  func passed(_ request: UpstreamRequest, _ bytes: RawSpan, last: Bool)
  /// For whom what is kept of a client's request counts.
  func party(of request: UpstreamRequest) -> Party?
  /// Whose it is, for links.
  func caller(of request: UpstreamRequest) -> LinkCalls.Caller
  /// What its server calls the tool that a client's request calls, for people.
  func toolName(of request: UpstreamRequest) -> String?
  /// From which level on clients want to hear of what a conversation logs.
  func logLevel(of session: UpstreamSession) -> LogLevel?
  /// Whether what a conversation says outside of calls is for anybody, with no call on its way.
  func isHeard(_ session: UpstreamSession) -> Bool
}

/// Who sees to it that a request of a client's goes out once more after it came to nothing, where it may.
public protocol RequestRecovery: AnyObject {
  /// False if it may not, or it is of no use: the client gets the error.
  /// - Parameter message: as it was to go out, where it is not kept with the request any more.
  func recovers(_ request: UpstreamRequest, _ error: GatewayError, _ message: [UInt8]?) -> Bool
}

/// How a large result reaches its client.
public enum ResultPassage {
  /// It is collected, and asked about again once so many bytes are there.
  case collect(until: Int)
  case pass(ResponseRewriter)
}

/// Why an upstream is to be looked at again, and what that goes by.
public enum UpstreamDoubt {
  /// An endpoint of it can't be reached.
  case unreachable(String, endpoint: Int)
  /// Calls of an endpoint of it fail, and none goes there for a while.
  case opened(endpoint: Int)
  /// So calls at one of its endpoints have ended on one worker, since that was last told.
  case fared(OutcomeCounts, endpoint: Int)
  /// What carried everybody's messages to an endpoint of it is gone.
  case linkDied(String, endpoint: Int)
  /// It answers as if it spoke the other era.
  case misunderstood
  /// A process of it that was stopped has been started for somebody who needs it.
  case woken
  /// Requests wait for it: called, on any thread, once it is back or is not expected to be soon.
  case awaited(@Sendable () -> Void)
}
