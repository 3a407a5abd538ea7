import MCP
import Reactor
import Routing
import Wire
import Workers

extension SessionID {
  /// What keeps the calls of a session at one endpoint.
  public var routingKey: RoutingKey { RoutingKey(high: high, low: low) }
}

extension Party {
  /// What keeps the calls of a client at one endpoint.
  public var routingKey: RoutingKey? {
    switch self {
    case .principal(let principal): principal.routingKey
    case .address(let address): RoutingKey(high: address.high, low: address.low)
    default: nil
    }
  }
}

extension Principal {
  /// What keeps the calls of a principal at one endpoint.
  public var routingKey: RoutingKey {
    let bytes = Array(subject.utf8)
    return RoutingKey(bytes.rawBytes)
  }
}
