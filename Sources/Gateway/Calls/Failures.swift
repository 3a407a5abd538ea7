import MCP
import Wire

/// What goes wrong between the gateway and an upstream, in the words of the one error type.
extension GatewayError {
  static func unavailable(_ cluster: Cluster, _ why: String, retryAfter: UInt64?) -> GatewayError {
    GatewayError(
      .upstreamUnreachable, message: "server \"\(cluster.alias)\" is not available: \(why)", server: cluster.alias,
      retryAfterMilliseconds: retryAfter.map { Int(clamping: $0) })
  }

  static func lost(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(
      .upstreamClosed, message: "server \"\(cluster.alias)\" went away during the call: \(why)", server: cluster.alias)
  }

  static func refused(_ cluster: Cluster, _ why: String, retryAfter: UInt64? = nil) -> GatewayError {
    GatewayError(
      .upstreamRefused, message: "server \"\(cluster.alias)\" refused the call: \(why)", server: cluster.alias,
      retryAfterMilliseconds: retryAfter.map { Int(clamping: $0) })
  }

  /// Nothing of the call was sent: as many are in flight as may be, or it does not read what was sent before.
  static func busy(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(
      .upstreamBusy, message: "server \"\(cluster.alias)\" is busy: \(why)", server: cluster.alias,
      retryAfterMilliseconds: 1000)
  }

  static func malformed(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(
      .upstreamInvalid, message: "server \"\(cluster.alias)\" sent no valid answer: \(why)", server: cluster.alias)
  }

  static func timedOut(_ cluster: Cluster, milliseconds: UInt64) -> GatewayError {
    GatewayError(
      .upstreamTimeout, message: "server \"\(cluster.alias)\" did not answer within \(milliseconds) ms",
      server: cluster.alias)
  }

  static func tooLarge(_ cluster: Cluster, limit: Int) -> GatewayError {
    GatewayError(
      .resultTooLarge, message: "server \"\(cluster.alias)\" sent more than \(limit) bytes", server: cluster.alias)
  }

  /// A call that failed after the server had asked for something that its modern client has not declared [3].
  static func lacking(_ abilities: ClientCapabilities, of cluster: Cluster) -> GatewayError {
    var object = ByteBuffer(capacity: 64)
    object.append(abilities.required, for: .newest)
    return GatewayError(
      .missingCapability,
      message: "server \"\(cluster.alias)\" needs what the client has not declared: \(object.bytes.text)",
      server: cluster.alias, detail: .requiredCapabilities(object.bytes.array))
  }

  static var overloaded: GatewayError {
    GatewayError(.overloaded, message: "the gateway has too many connections open", retryAfterMilliseconds: 1000)
  }

  static func internalError(_ why: String) -> GatewayError { GatewayError(.internalFault, message: why) }
}
