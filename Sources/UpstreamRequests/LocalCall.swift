import Clusters

/// A call that the gateway makes for itself: the answer comes back as a value, once.
public final class LocalCall {
  /// What became of it.
  public enum Outcome: Sendable {
    /// The upstream's JSON-RPC response, result or error, with the HTTP status (0 on a link) and the session id that
    /// came in its header.
    case message([UInt8], status: Int, httpSession: [UInt8])
    /// An HTTP answer without a JSON-RPC message.
    case status(HTTPRefusal, retryAfter: UInt64?)
    /// No answer: why, for people.
    case failed(String)
  }

  /// What was sent, for a server that has moved: header lines beside those of all requests to it, and the body.
  public var request: (lines: [UInt8], body: [UInt8])?
  private var completion: ((Outcome) -> Void)?
  /// Notifications that come before the answer; nil drops them.
  public var onNotification: (([UInt8]) -> Void)?

  public init(_ completion: @escaping (Outcome) -> Void) {
    self.completion = completion
  }

  /// Only the first outcome counts.
  public func complete(_ outcome: Outcome) {
    let completion = completion
    self.completion = nil
    completion?(outcome)
  }
}
