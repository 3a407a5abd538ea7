import MCP
import Wire

/// What goes wrong between the gateway and an upstream, in the words of the one error type.
extension GatewayError {
  public static func unavailable(_ cluster: Cluster, _ why: String, retryAfter: UInt64?) -> GatewayError {
    GatewayError(.upstreamUnreachable, of: cluster, "is not available", why, retryAfter: retryAfter)
  }

  /// It is not started again before somebody says so.
  public static func failed(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(.serverFailed, of: cluster, "has failed", why)
  }

  public static func lost(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(.upstreamClosed, of: cluster, "went away during the call", why)
  }

  public static func refused(_ cluster: Cluster, _ why: String, retryAfter: UInt64? = nil) -> GatewayError {
    GatewayError(.upstreamRefused, of: cluster, "refused the call", why, retryAfter: retryAfter)
  }

  /// The server does not know the session that it was asked in, and so has not acted on the request.
  public static func sessionEnded(_ cluster: Cluster) -> GatewayError {
    var error = refused(cluster, "its session had ended; the next call opens a new one", retryAfter: 0)
    error.retry = .safe
    return error
  }

  /// The same of an HTTP+SSE server.
  public static func forgotten(_ cluster: Cluster, _ why: String) -> GatewayError {
    var error = refused(cluster, why)
    error.retry = .safe
    return error
  }

  public static func credentials(_ cluster: Cluster, status: Int) -> GatewayError {
    GatewayError(
      .upstreamCredentials, of: cluster, "refused the call",
      "HTTP \(status): the gateway's own credentials were not accepted")
  }

  /// Nothing of the call was sent: calls of the endpoint, or of this one tool of it, fail, and it is given time.
  public static func circuitOpen(_ cluster: Cluster, tool: String? = nil, retryAfter: UInt64) -> GatewayError {
    let time = max(retryAfter, 1)
    let (what, whose) = tool.map { ("is not asked for its tool \"\($0)\" now", "the") } ?? ("is not called now", "its")
    return GatewayError(
      .circuitOpen, of: cluster, what,
      "\(whose) last calls have failed; try again in \(time) ms, and look in the gateway's log for why",
      retryAfter: time)
  }

  /// Nothing of the call was sent: as many are in flight as may be, or it does not read what was sent before.
  public static func busy(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(.upstreamBusy, of: cluster, "is busy", why, retryAfter: 1000)
  }

  /// Nothing of the call was sent: all connections that there may be were in use all the time.
  public static func poolTimeout(_ cluster: Cluster, milliseconds: UInt64, limit: Int) -> GatewayError {
    GatewayError(
      .poolTimeout, of: cluster, "had no free connection within \(milliseconds) ms", "all \(limit) were in use",
      retryAfter: 1000)
  }

  public static func malformed(_ cluster: Cluster, _ why: String) -> GatewayError {
    GatewayError(.upstreamInvalid, of: cluster, "sent no valid answer", why)
  }

  public static func timedOut(_ cluster: Cluster, milliseconds: UInt64) -> GatewayError {
    GatewayError(.upstreamTimeout, of: cluster, "did not answer within \(milliseconds) ms")
  }

  public static func tooLarge(_ cluster: Cluster, limit: Int) -> GatewayError {
    GatewayError(.resultTooLarge, of: cluster, "sent more than \(limit) bytes")
  }

  /// A sentence about the server. Of what the gateway asks for itself only the end of it goes on, into another sentence.
  /// - Parameters: what happened, and why.
  private init(_ kind: Kind, of cluster: Cluster, _ what: String, _ why: String? = nil, retryAfter: UInt64? = nil) {
    self.init(
      kind, message: "server \"\(cluster.alias)\" \(what)\(why.map { ": \($0)" } ?? "")", server: cluster.alias,
      retryAfterMilliseconds: retryAfter.map { Int(clamping: $0) })
    cause = why ?? what
  }

  /// A call that failed after the server had asked for something that its modern client has not declared (MCP
  /// 2026-07-28, Basic, Error Codes).
  public static func lacking(_ abilities: ClientCapabilities, of cluster: Cluster) -> GatewayError {
    var object = ByteBuffer(capacity: 64)
    object.append(abilities.required, for: .newest)
    return GatewayError(
      .missingCapability,
      message: "server \"\(cluster.alias)\" needs what the client has not declared: \(object.bytes.text)",
      server: cluster.alias, detail: .requiredCapabilities(object.bytes.array))
  }

  /// What a call came to that went out once and whose message is not known any more, so that it can't follow.
  public static func moved(_ cluster: Cluster) -> GatewayError {
    refused(cluster, "it has moved; the next call goes there", retryAfter: 0)
  }

  public static var overloaded: GatewayError {
    GatewayError(.overloaded, message: "the gateway has too many connections open", retryAfterMilliseconds: 1000)
  }

  public static func internalError(_ why: String) -> GatewayError { GatewayError(.internalFault, message: why) }
}
