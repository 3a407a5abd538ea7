import MCP
import Wire

/// The demonstration server inside this process.
enum EmbeddedServer {
  static func offer(alias: String) -> ServerOffer {
    ServerOffer(alias: alias, capabilities: [.tools])
  }
}

extension Worker {
  func sendEmbedded(_ id: ExchangeID, _ message: RawSpan) {
    fail(id, .internalError("nothing is embedded"))
  }
}
