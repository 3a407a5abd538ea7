import MCP

/// What comes of opening a conversation.
public enum Opening {
  public struct Established: Sendable {
    public var open: UpstreamSession.Open
    /// What the server said of itself; nil where no handshake was needed.
    public var offer: ServerOffer?

    public init(open: UpstreamSession.Open, offer: ServerOffer? = nil) {
      self.open = open
      self.offer = offer
    }
  }

  public enum Failure: Error, Sendable {
    /// An HTTP status that is no answer to `initialize`.
    case status(HTTPRefusal, retryAfter: UInt64?)
    case failed(String)
    /// The gateway itself has no room for it.
    case unable(String)
    /// The server's answer to `initialize` is an error, or names no revision known here.
    case refused(String)

    public var text: String {
      switch self {
      case .status(let refusal, _): refusal.text
      case .failed(let text), .unable(let text): text
      case .refused(let why): "initialize was refused: \(why)"
      }
    }
  }

  public typealias Completion = @Sendable (Result<Established, Failure>) -> Void
}

/// Why requests that waited for a conversation can't go on.
public struct Unopened: Sendable {
  /// For people.
  public let text: String
  /// With which endpoint of its cluster it was to be opened.
  public let endpoint: Int

  public init(_ text: String, at endpoint: Int) {
    self.text = text
    self.endpoint = endpoint
  }
}
