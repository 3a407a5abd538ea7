/// What a connection is, in the top byte of its tag; the rest is a number.
public enum TagKind: UInt64, Sendable {
  case none = 0
  /// A client's that waits for the answer to a call, by the number of that.
  case call
  /// An upstream's, by the number of its request.
  case request
  case idle
  case lingering
  case link
  case eventStream
  case listen
  case upstreamStream
  case admin
  case socket
  case echo

  public init(of tag: UInt64) { self = TagKind(rawValue: tag >> 56) ?? .none }

  public func tag(_ value: UInt64 = 0) -> UInt64 { rawValue << 56 | value }

  public static func value(of tag: UInt64) -> UInt64 { tag & (1 << 56 - 1) }
}
