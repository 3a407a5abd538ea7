import Clusters
import MCP
import Reactor
import Routing
import Sessions
import Workers

/// What delivery has to say to those whose messages it delivers, on the loop's thread.
public protocol DeliveryDelegate: AnyObject {
  /// Stops reading what comes for a call until its client has taken what there is. False if its source can't be paused for
  /// it alone, or it is over.
  func pauseSource(of call: CallID) -> Bool
  /// The connection on which a call was to be answered is gone.
  func clientGone(_ call: CallID)
  /// The calls that are answered on a connection, of that session if one is given.
  func calls(answeredOn connection: ConnectionID, of session: Session?) -> [CallID]
  /// Whether calls came over a WebSocket and have not been answered.
  func hasCalls(over socket: ConnectionID) -> Bool
  /// A WebSocket is gone, and with it the client.
  func abandonCalls(over socket: ConnectionID)
  /// A session is gone: who waits for an answer in it on this loop hears so.
  func abandonCalls(of session: Session)
  /// Others want to hear of resources of a server by now. `noted` is called, on any thread, once the server knows.
  func interestChanged(in cluster: Cluster, _ noted: @escaping @Sendable () -> Void)
  /// A session is gone that saw something else than the others.
  func overlayEnded(of session: SessionID)
  /// What a principal has learned of resources that no list names, by results.
  func learnedLinks(of principal: Principal) -> LearnedLinks?
}
