import MCP
import Wire

/// How an error looks from outside. This file is the only place that says so.
public struct ErrorAnswer: Sendable, Equatable {
  public var status: Int
  /// The JSON-RPC code.
  public var code: Int
  /// Seconds, for a `Retry-After` header.
  public var retryAfter: Int?
  /// For an `Allow` header, which a 405 must have.
  public var allow: StaticString?
  /// The value of a `reason` label, and of `data.reason`.
  public var label: StaticString

  public static func == (a: ErrorAnswer, b: ErrorAnswer) -> Bool {
    a.status == b.status && a.code == b.code && a.retryAfter == b.retryAfter && a.label.bytes.equals(b.label)
      && a.allow?.description == b.allow?.description
  }
}

extension GatewayError {
  /// The answer to a client of that era. Errors of the message or the transport have the status that Basic/Transports
  /// (MCP 2025-11-25, 2026-07-28) and Basic, Error Codes (2026-07-28) give them; what happens to a well-formed call rides on HTTP 200, but for the few that the modern era moves.
  public func answer(to era: Era) -> ErrorAnswer {
    let (status, code, label) = row(era)
    var answer = ErrorAnswer(status: status, code: code, label: label)
    if kind == .methodNotAllowed { answer.allow = era == .modern ? "POST" : "POST, GET, DELETE" }
    if let milliseconds = retryAfterMilliseconds, status == 503 {
      answer.retryAfter = max(1, (milliseconds + 999) / 1000)
    }
    return answer
  }

  /// The code with which a WebSocket is closed for it (RFC 6455 section 7.4.1); nil for what is answered on it.
  public var closeCode: UInt16? {
    switch kind {
    case .draining: 1001
    case .internalFault: 1011
    case .overloaded: 1013
    default: nil
    }
  }

  private func row(_ era: Era) -> (Int, Int, StaticString) {
    let modern = era == .modern
    switch kind {
    case .parseError: return (400, -32700, "parse_error")
    case .invalidRequest: return (400, -32600, "invalid_request")
    case .batchNotAllowed: return (400, -32600, "batch_not_allowed")
    case .responseNotAllowed: return (400, -32600, "response_not_allowed")

    case .notAcceptable: return (406, -32600, "not_acceptable")
    case .unsupportedMediaType: return (415, -32600, "unsupported_media_type")
    case .methodNotAllowed: return (405, -32600, "method_not_allowed")
    case .badOrigin: return (403, -32600, "bad_origin")
    case .badHost: return (421, -32600, "bad_host")
    case .notFound: return (404, -32600, "not_found")

    case .headerMismatch: return (400, -32020, "header_mismatch")
    case .missingEnvelope: return (400, -32602, "missing_envelope")
    case .unsupportedVersion: return (400, -32022, "unsupported_version")
    case .missingCapability:
      return modern ? (400, -32021, "missing_capability") : (200, -32603, "missing_capability")

    case .versionHeader: return (400, -32602, "version_header")
    case .initializeVersion: return (400, -32602, "initialize_version")
    case .sessionMissing: return (400, -32600, "session_missing")
    case .sessionUnknown: return (404, -32600, "session_unknown")
    case .sessionLimit: return (503, -32603, "session_limit")
    case .streamTaken: return (409, -32600, "stream_taken")
    case .notResumable: return (400, -32600, "not_resumable")

    case .methodNotFound: return (modern ? 404 : 200, -32601, "method_not_found")
    case .serverNotCapable: return (modern ? 404 : 200, -32601, "server_not_capable")
    case .invalidParams: return (modern ? 400 : 200, -32602, "invalid_params")
    case .invalidCursor: return (200, -32602, "invalid_cursor")
    case .unknownTool: return (200, -32602, "unknown_tool")
    case .unknownPrompt: return (200, -32602, "unknown_prompt")
    case .unknownResource: return (200, modern ? -32602 : -32002, "unknown_resource")
    case .clientNotCapable: return (200, -32601, "client_not_capable")
    case .notAcrossEras: return (200, -32603, "not_across_eras")

    case .upstreamUnreachable: return (200, -32603, "upstream_unreachable")
    case .upstreamTimeout: return (200, -32603, "upstream_timeout")
    case .upstreamClosed: return (200, -32603, "upstream_closed")
    case .upstreamRefused: return (200, -32603, "upstream_refused")
    case .upstreamInvalid: return (200, -32603, "upstream_invalid")
    case .upstreamBusy: return (200, -32603, "upstream_busy")
    case .upstreamCredentials: return (200, -32603, "upstream_credentials")
    case .resultTooLarge: return (200, -32603, "result_too_large")
    case .serverFailed: return (200, -32603, "server_failed")
    case .circuitOpen: return (200, -32603, "circuit_open")
    case .poolTimeout: return (200, -32603, "pool_timeout")

    case .overloaded: return (503, -32603, "overloaded")
    case .draining: return (503, -32603, "draining")
    // The code of the Python SDK's own servers: no revision has one, and the POST has to end with something.
    case .cancelled: return (200, -32800, "cancelled")
    case .internalFault: return (200, -32603, "internal")
    }
  }

  /// The phrase that goes into the error's `message`.
  public var phrase: String {
    if let message { return message }
    return switch kind {
    case .parseError: "Parse error"
    case .invalidRequest: "Invalid request"
    case .batchNotAllowed: "Invalid request: batches exist only in sessions of 2025-03-26"
    case .responseNotAllowed: "Invalid request: revision 2026-07-28 has no responses from clients"
    case .notAcceptable: "Not acceptable: Accept must name application/json and text/event-stream"
    case .unsupportedMediaType: "Unsupported media type: Content-Type must be application/json"
    case .methodNotAllowed: "Method not allowed"
    case .badOrigin: "Forbidden: this Origin is not allowed"
    case .badHost: "Misdirected request: this Host is not served here"
    case .notFound: "Not found"
    case .headerMismatch: "Header mismatch"
    case .missingEnvelope: "Invalid params: _meta lacks the protocol version or the client capabilities"
    case .unsupportedVersion: "Unsupported protocol version"
    case .missingCapability: "The client has not declared a capability that this needs"
    case .versionHeader: "MCP-Protocol-Version names a revision that this request is not of"
    case .initializeVersion:
      "initialize belongs to revisions 2024-11-05 to 2025-11-25, but MCP-Protocol-Version names another; served: "
        + Revision.served.map(\.label.description).joined(separator: ", ")
    case .sessionMissing: "Bad request: Mcp-Session-Id is missing"
    case .sessionUnknown: "Session not found"
    case .sessionLimit: "Too many sessions"
    case .streamTaken: "Conflict: the session has its stream already"
    case .notResumable: "The stream can't be resumed from this event"
    case .methodNotFound: "Method not found"
    case .serverNotCapable: "Method not found: no server here offers it"
    case .invalidParams: "Invalid params"
    case .invalidCursor: "Invalid cursor"
    case .unknownTool: "Unknown tool"
    case .unknownPrompt: "Unknown prompt"
    case .unknownResource: "Resource not found"
    case .clientNotCapable: "The client has not declared this capability"
    case .notAcrossEras: "The server asked the client for something that can't cross protocol eras"
    case .upstreamUnreachable: "The server can't be reached"
    case .upstreamTimeout: "The server did not answer in time"
    case .upstreamClosed: "The server closed the connection before it answered"
    case .upstreamRefused: "The server refused the request"
    case .upstreamBusy: "The server does not take more calls now"
    case .upstreamInvalid: "The server's answer is not valid"
    case .upstreamCredentials: "The server does not accept the gateway's credentials"
    case .resultTooLarge: "The server's result exceeds the limit"
    case .serverFailed: "The server has failed"
    case .circuitOpen: "The server is not called now: its last calls have failed"
    case .poolTimeout: "No connection to the server became free in time"
    case .overloaded: "The gateway is overloaded"
    case .draining: "The gateway is shutting down"
    case .cancelled: "Request cancelled"
    case .internalFault: "Internal error"
    }
  }
}

extension ByteBuffer {
  /// A whole JSON-RPC error response. `id` is the raw token of the request; without one it is null.
  public mutating func append(_ error: GatewayError, id: RawSpan?, to era: Era) {
    append(startOfResponseTo: id, #","error":"#)
    append(errorObject: error, to: era)
    append("}")
  }

  /// The error object alone: `code`, `message` and `data` with `reason`, `server`, `retry_after_ms` and what the code
  /// asks for.
  public mutating func append(errorObject error: GatewayError, to era: Era) {
    let answer = error.answer(to: era)
    append(#"{"code":"#)
    append(decimal: answer.code)
    append(#","message":"#)
    append(quoted: error.phrase)
    append(#","data":{"reason":""#)
    append(answer.label)
    append("\"")
    if let server = error.server {
      append(#","server":"#)
      append(quoted: server)
    }
    if let milliseconds = error.retryAfterMilliseconds {
      append(#","retry_after_ms":"#)
      append(decimal: milliseconds)
    }
    switch error.detail {
    case .none: break
    case .versions(let requested):
      append(#","supported":"#)
      appendServedVersions()
      append(#","requested":""#)
      append(requested)
      append("\"")
    case .requiredCapabilities(let object):
      append(#","requiredCapabilities":"#)
      append(object)
    case .uri(let uri):
      append(#","uri":""#)
      append(uri)
      append("\"")
    case .upstreamError(let object):
      append(#","error":"#)
      append(object)
    }
    append("}}")
  }
}
