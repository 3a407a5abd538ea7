/// What the head of an answer says, as far as it matters.
public struct AnswerHead: Equatable, Sendable {
  public enum Media: Sendable {
    case json, events
    /// Nothing is expected in it.
    case other
  }

  public var status: Int
  public var media: Media
  public var session: [UInt8]?

  public init(_ status: Int, _ media: Media = .other, session: [UInt8]? = nil) {
    self.status = status
    self.media = media
    self.session = session
  }
}

/// Why an exchange came to nothing.
public struct Loss: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// Nobody was there to be sent anything.
    case absent
    /// The server is not whom it should be.
    case untrusted
    case broken
    /// What came is no HTTP/1.1.
    case malformed
    /// A connection that had been idle had ended: nothing of the answer has come, but the request may have arrived.
    case outdated
  }

  public var kind: Kind
  public var reason: String

  public init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }

  public var description: String {
    switch kind {
    case .absent: "no connection: \(reason)"
    case .untrusted: reason
    case .broken, .outdated: "the connection broke: \(reason)"
    case .malformed: "the answer is not HTTP/1.1: \(reason)"
    }
  }
}
