/// Why an upstream can't be used now, for people.
public struct UpstreamFailure: Error, Sendable {
  public enum Meaning: Sendable {
    /// It can't be used now.
    case unavailable
    /// It does not speak so, until something about it changes.
    case refusal
    /// Its process or connection has ended on `initialize`, or has said nothing to it.
    case silence
    /// It speaks, but not on this now: no reason to look at it afresh.
    case passing
  }

  public let text: String
  public let meaning: Meaning

  public init(_ text: String, _ meaning: Meaning = .unavailable) {
    self.text = text
    self.meaning = meaning
  }
}
