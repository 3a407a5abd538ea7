import MCP
import Routing
import Wire
import Workers

extension SessionID {
  /// What keeps the calls of a session at one endpoint.
  public var routingKey: RoutingKey { RoutingKey(high: high, low: low) }
}

extension Principal {
  /// What keeps the calls of a principal at one endpoint.
  public var routingKey: RoutingKey {
    let bytes = Array(subject.utf8)
    return RoutingKey(bytes.rawBytes)
  }
}
