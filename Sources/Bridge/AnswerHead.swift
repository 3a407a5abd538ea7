/// What the head of an answer says, as far as it matters.
package struct AnswerHead: Equatable, Sendable {
  package enum Media: Sendable {
    case json, events
    /// Nothing is expected in it.
    case other
  }

  package var status: Int
  package var media: Media
  package var session: [UInt8]?

  package init(_ status: Int, _ media: Media = .other, session: [UInt8]? = nil) {
    self.status = status
    self.media = media
    self.session = session
  }
}

/// Why an exchange came to nothing.
package struct Loss: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Kind: Sendable {
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

  package var kind: Kind
  package var reason: String

  package init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }

  package var description: String {
    switch kind {
    case .absent: "no connection: \(reason)"
    case .untrusted: reason
    case .broken, .outdated: "the connection broke: \(reason)"
    case .malformed: "the answer is not HTTP/1.1: \(reason)"
    }
  }
}
