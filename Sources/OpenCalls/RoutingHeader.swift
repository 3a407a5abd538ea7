import Reactor
import Routing
import Wire

/// A header field of a client's request that servers choose an endpoint by (`routing.key: header:NAME`).
public struct RoutingHeader: Sendable {
  /// In lower case.
  public let name: String
  public let key: RoutingKey

  /// Those of a request that have one of these names.
  public static func all(of head: RequestHead, named names: [String]) -> [RoutingHeader] {
    names.compactMap { name in
      let bytes = Array(name.utf8)
      guard let value = head.header(named: bytes.rawBytes) else { return nil }
      return RoutingHeader(name: name, key: RoutingKey(value))
    }
  }
}
