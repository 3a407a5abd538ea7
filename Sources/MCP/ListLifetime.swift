import Wire

/// How long a modern server lets its clients keep a list (MCP 2026-07-28, Server/Utilities, Caching): until the first of
/// its pages is too old.
public struct ListLifetime: Sendable, Equatable {
  /// When that is; nil before any page has come.
  public private(set) var end: UInt64?

  /// The longest that a promise is believed, in milliseconds: as long as SDK clients do.
  public static let most: UInt64 = 24 * 3_600_000

  public init() {}

  /// A page came. Without a `ttlMs` it is old at once.
  public mutating func add(_ page: RawSpan, receivedAt now: UInt64) {
    var promised: UInt64 = 0
    if let value = JSON.find("ttlMs", in: page) { promised = UInt64(clamping: JSON.integer(value) ?? 0) }
    let own = now + min(promised, Self.most)
    end = min(end ?? own, own)
  }
}
