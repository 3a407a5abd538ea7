import MCP

/// What the end of a call says of the endpoint that was asked: the one judgement that breakers, health, outliers,
/// metrics and retries go by. A failure is what asking elsewhere may mend; what is wrong with the call itself, or with
/// who made it, is none of the endpoint's.
public enum CallOutcome: Equatable, Sendable {
  /// It did what it was asked, or said in a message of its own why not.
  case success
  case failure(Failure)
  /// Nothing for or against it. `answered`: there was an answer all the same, so that it lives.
  case neutral(answered: Bool)

  public enum Failure: UInt8, Sendable, CaseIterable {
    /// Nobody listens there: the connection was refused, or the process is gone. What restarts looks like that.
    case refused
    /// No connection for another reason, or one that broke before the whole answer had come.
    case transport
    case timeout
    /// HTTP 5xx.
    case serverError
    /// The server's JSON-RPC error -32603.
    case internalError
    /// What came can't be the answer to anything.
    case garbage
    /// A tool's result that says `isError`, where that is to count.
    case toolError
  }

  /// The client wants no answer any more, or is gone.
  public static let withdrawn = CallOutcome.neutral(answered: false)
}

// MARK: What happened

extension CallOutcome {
  /// An HTTP answer without a message. 401, 403 and 429 are policy, of the server or of what stands before it; other
  /// 4xx and redirects concern the request.
  public init(status: Int) {
    switch status {
    case 500...: self = .failure(.serverError)
    // RFC 9110 section 15.5.9: what stands before the server did not get the request in time.
    case 408: self = .failure(.timeout)
    case 300..<500: self = .neutral(answered: true)
    // A 2xx without a message is no answer to a request.
    default: self = .failure(.garbage)
    }
  }

  /// A JSON-RPC result.
  /// - Parameters:
  ///   - isError: it is a tool's that came to nothing. Most are about arguments (MCP 2025-11-25, Server/Tools, Error
  ///     Handling).
  ///   - counts: whether that is to count against the server (`tool_errors`).
  public init(resultIsError isError: Bool, counts: Bool = false) {
    self = isError && counts ? .failure(.toolError) : .success
  }

  /// A JSON-RPC error.
  /// - Parameter status: of the HTTP answer that brought it. 5xx and denials are believed before the body.
  public init(error code: Int64, status: Int = 200) {
    switch status {
    case 401, 403, 429, 500...:
      self.init(status: status)
      return
    default: break
    }
    switch code {
    case -32603: self = .failure(.internalError)
    // Parse error, invalid request; header mismatch, missing capability, unsupported version: about the hop or the
    // client. Cancelled (a private code of SDKs).
    case -32700, -32600, -32022 ... -32020, -32800: self = .neutral(answered: true)
    // Private to SDKs, and without a common meaning: requests that time out, sessions and credentials that are not
    // known.
    case -32019 ... -32000: self = code == -32002 ? .success : .neutral(answered: true)
    // Unknown methods, tools, resources; URL elicitation; what the application says.
    default: self = .success
    }
  }

  /// An error of the gateway's own. Those about requests and clients say nothing of any server.
  public init(_ kind: GatewayError.Kind) {
    switch kind {
    // Whoever knows that a connection was refused says so.
    case .upstreamUnreachable, .upstreamClosed: self = .failure(.transport)
    case .upstreamTimeout: self = .failure(.timeout)
    case .upstreamInvalid: self = .failure(.garbage)
    // A status that is known says more (`init(status:)`).
    case .upstreamRefused, .upstreamCredentials, .resultTooLarge: self = .neutral(answered: true)
    // `upstreamBusy`, too: nothing was sent.
    default: self = .neutral(answered: false)
    }
  }
}

// MARK: What follows

extension CallOutcome {
  /// A server that answers lives, whatever it says; a 5xx may come from what stands before one that does not.
  public var provesLife: Bool {
    switch self {
    case .success: true
    case .failure(let failure): failure.isAnswer
    case .neutral(let answered): answered
    }
  }

  public var failure: Failure? { if case .failure(let failure) = self { failure } else { nil } }

  /// The value of an `outcome` label.
  public var label: StaticString {
    switch self {
    case .success: "success"
    case .failure(let failure): failure.label
    case .neutral: "neutral"
    }
  }
}

extension CallOutcome.Failure {
  /// The server itself has answered: what failed may be the one tool that was called.
  public var isAnswer: Bool { self == .internalError || self == .toolError }

  /// Another call might have gone well meanwhile.
  var mayBeOneTools: Bool { isAnswer || self == .timeout }

  public var label: StaticString {
    switch self {
    case .refused: "refused"
    case .transport: "transport"
    case .timeout: "timeout"
    case .serverError: "server_error"
    case .internalError: "internal_error"
    case .garbage: "garbage"
    case .toolError: "tool_error"
    }
  }
}
