/// What a connection is, in the top byte of its tag; the rest is a number.
enum TagKind: UInt64 {
  case none = 0
  case exchange
  case idle
  case lingering
  case link
  case eventStream
  case listen
  case upstreamStream
  case admin
  case socket
  case echo

  init(of tag: UInt64) { self = TagKind(rawValue: tag >> 56) ?? .none }

  func tag(_ value: UInt64 = 0) -> UInt64 { rawValue << 56 | value }

  static func value(of tag: UInt64) -> UInt64 { tag & (1 << 56 - 1) }
}
