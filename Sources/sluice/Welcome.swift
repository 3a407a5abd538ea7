import Configuration
import ConfigurationSyntax

/// What `serve` says once it listens: where, and how to try it.
struct Welcome {
  private let lines: [String]

  init(_ configuration: GatewayConfiguration, httpPort: UInt16, webSocketPort: UInt16, adminPort: UInt16) {
    func authority(_ host: String, _ port: UInt16) -> String { Authority.text(Authority.reachable(host), Int(port)) }
    let listeners = configuration.listeners
    let scheme = listeners.http.tls == nil ? "http" : "https"
    let adminScheme = listeners.admin.tls == nil ? "http" : "https"
    let socketScheme = listeners.webSocket.tls == nil ? "ws" : "wss"
    let url = "\(scheme)://\(authority(listeners.http.host, httpPort))/mcp"
    let servers =
      configuration.servers.isEmpty
      ? "the built-in demonstration server" : configuration.servers.map(\.alias).joined(separator: ", ")
    lines = [
      "sluice serves \(servers)",
      "",
      "  MCP endpoint   \(url)",
      "  WebSocket      \(socketScheme)://\(authority(listeners.webSocket.host, webSocketPort))/mcp/ws",
      "  health         \(adminScheme)://\(authority(listeners.admin.host, adminPort))/readyz",
      "",
      "  try it         curl -s \(url) -H 'Content-Type: application/json' \\",
      "                   -H 'Accept: application/json, text/event-stream' \\",
      "                   -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":"
        + "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"curl\",\"version\":\"1\"}}}'",
      "",
      "  for a client   {\"mcpServers\": {\"sluice\": {\"type\": \"http\", \"url\": \"\(url)\"}}}",
    ]
  }

  func print() { StandardStream(descriptor: 1).write(lines.map { $0 + "\n" }.joined()) }
}
