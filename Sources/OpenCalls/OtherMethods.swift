import MCP
import Routing
import Wire

/// Methods that no revision has, on which a client and a server have agreed between themselves. They pass as they are where
/// a client looks at one server alone; among several nobody could tell which of them is meant.
extension GatewayError {
  /// - Parameter whose: whose endpoint it is to be asked at.
  public static func amongSeveral(_ method: String, _ whose: String) -> GatewayError {
    GatewayError(
      .methodNotFound,
      message: "Method not found: \(method); the gateway does not know it, and there are several servers behind this "
        + "endpoint: use /mcp/{alias} of \(whose)")
  }
}
