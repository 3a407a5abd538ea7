import Wire

/// Why the gateway itself answers with an error: what happened, and whether asking again may help.
public struct GatewayError: Error, Sendable, Equatable {
  /// What happened.
  public enum Kind: UInt8, Sendable, CaseIterable {
    // The message itself.
    case parseError, invalidRequest, batchNotAllowed, responseNotAllowed
    // The HTTP request around it.
    case notAcceptable, unsupportedMediaType, methodNotAllowed, badOrigin, badHost, notFound
    // What the modern era wants of each request.
    case headerMismatch, missingEnvelope, unsupportedVersion, missingCapability
    // What the legacy era wants of each request.
    case versionHeader, initializeVersion, sessionMissing, sessionUnknown, sessionLimit, streamTaken
    case notResumable
    // The call.
    case methodNotFound, invalidParams, invalidCursor, unknownTool, unknownPrompt, unknownResource
    case serverNotCapable, clientNotCapable, notAcrossEras
    // The upstream.
    case upstreamUnreachable, upstreamTimeout, upstreamClosed, upstreamRefused, upstreamInvalid
    case upstreamBusy, upstreamCredentials, resultTooLarge, circuitOpen, poolTimeout, serverFailed
    // The gateway.
    case overloaded, draining, cancelled, internalFault
  }

  /// Whether the same may be tried again, once.
  public enum Retry: UInt8, Sendable {
    case never
    /// It is known that nobody has acted on the request.
    case safe
    /// Only as long as not a byte of the request has left.
    case ifNothingSent
  }

  /// Members that the protocol wants in `data` beside those that every error has.
  public enum Detail: Sendable, Equatable {
    case none
    /// The version label that was asked for, as raw JSON string contents.
    case versions(requested: [UInt8])
    /// A ClientCapabilities object, as raw JSON.
    case requiredCapabilities([UInt8])
    /// A resource URI, as raw JSON string contents.
    case uri([UInt8])
    /// The error object of an upstream that could not be passed on, as raw JSON.
    case upstreamError([UInt8])
  }

  public var kind: Kind
  public var retry: Retry
  /// What to tell people in place of the kind's own phrase.
  public var message: String?
  /// What of that is said in a sentence that has named the server already.
  public var cause: String?
  /// The alias of the upstream that it is about.
  public var server: String?
  public var retryAfterMilliseconds: Int?
  public var detail: Detail

  public init(
    _ kind: Kind, retry: Retry? = nil, message: String? = nil, server: String? = nil,
    retryAfterMilliseconds: Int? = nil, detail: Detail = .none
  ) {
    self.kind = kind
    self.retry = retry ?? kind.usualRetry
    self.message = message
    self.server = server
    self.retryAfterMilliseconds = retryAfterMilliseconds
    self.detail = detail
  }
}

extension GatewayError.Kind {
  var usualRetry: GatewayError.Retry {
    switch self {
    case .upstreamBusy, .circuitOpen, .poolTimeout, .overloaded, .draining, .sessionLimit: .safe
    case .upstreamUnreachable, .upstreamClosed: .ifNothingSent
    default: .never
    }
  }
}

extension GatewayError {
  /// `Mcp-Session-Id` comes twice.
  static var severalSessions: GatewayError {
    GatewayError(.sessionMissing, message: "Bad request: Mcp-Session-Id comes twice")
  }

  /// What is wrong with a message that was refused; nil for one that was not.
  public init?(fault envelope: Envelope) {
    guard let fault = envelope.fault else { return nil }
    let isParse = fault.code == -32700
    self.init(
      isParse ? .parseError : .invalidRequest, message: (isParse ? "Parse error: " : "Invalid request: ") + fault.text)
  }
}
