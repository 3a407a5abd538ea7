import Wire

/// When clients are to come back to an event stream that breaks or is closed (its `retry` field): spread over as much time as
/// their number needs, so that no second brings all of them. A value without I/O: the same seed gives the same times.
struct Reconnection {
  private var random: SplitMix
  /// Whom a drain has found; they become fewer as they are sent away.
  private var drained = 0

  /// Clients that come back in one second, about.
  static let perSecond: UInt64 = 1000
  /// The most that a client is kept away for, in milliseconds.
  static let longest: UInt64 = 30_000

  init(seed: UInt64) { random = SplitMix(state: seed) }

  /// For a stream that begins, in milliseconds: about what clients take by themselves. Should the gateway go away without
  /// a word this holds.
  mutating func usual(among clients: Int) -> UInt64 { spread(from: 750, over: 500, among: clients) }

  /// For a stream that is closed because the gateway ends or hands over to another process, which needs a moment.
  /// - Parameter clients: those that are left, this one included.
  mutating func drained(among clients: Int) -> UInt64 {
    drained = max(drained, clients)
    return spread(from: 500, over: 4500, among: drained)
  }

  private mutating func spread(from least: UInt64, over time: UInt64, among clients: Int) -> UInt64 {
    let needed = min(UInt64(clamping: clients), Self.longest * Self.perSecond / 1000) * 1000 / Self.perSecond
    return least + UInt64.random(in: 0...min(max(time, needed), Self.longest - least), using: &random)
  }
}
