import Wire

/// Why the gateway itself answers with an error: what happened, and whether asking again may help.
package struct GatewayError: Error, Sendable, Equatable {
  /// What happened.
  package enum Kind: UInt8, Sendable, CaseIterable {
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
    case upstreamBusy, upstreamCredentials, resultTooLarge
    // The gateway.
    case overloaded, draining, cancelled, internalFault
  }

  /// Whether the same may be tried again, once.
  package enum Retry: UInt8, Sendable {
    case never
    /// It is known that nobody has acted on the request.
    case safe
    /// Only as long as not a byte of the request has left.
    case ifNothingSent
  }

  /// Members that the protocol wants in `data` beside those that every error has.
  package enum Detail: Sendable, Equatable {
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

  package var kind: Kind
  package var retry: Retry
  /// What to tell people in place of the kind's own phrase.
  package var message: String?
  /// What of that is said in a sentence that has named the server already.
  package var cause: String?
  /// The alias of the upstream that it is about.
  package var server: String?
  package var retryAfterMilliseconds: Int?
  package var detail: Detail

  package init(
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
    case .upstreamBusy, .overloaded, .draining, .sessionLimit: .safe
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
  package init?(fault envelope: Envelope) {
    guard let fault = envelope.fault else { return nil }
    let isParse = fault.code == -32700
    self.init(
      isParse ? .parseError : .invalidRequest, message: (isParse ? "Parse error: " : "Invalid request: ") + fault.text)
  }
}
