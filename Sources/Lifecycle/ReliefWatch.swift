import Reactor

/// When it is told that a loop makes room: once when it begins, and once when none was made for a while. What comes in
/// between is the same, so that a flapping loop says no more than two lines in that time.
struct ReliefWatch {
  enum Action: Equatable {
    case none
    case began(GivenUp)
    case ended(GivenUp)
  }

  /// Connections that were ended since it began, and the bytes that were buffered for them.
  struct GivenUp: Equatable {
    var connections: UInt64
    var bytes: UInt64
  }

  /// In milliseconds.
  static let quiet: UInt64 = 10_000

  private var seen = LoopLosses()
  /// What had been lost when it began; nil: no room is being made.
  private var before: LoopLosses?
  private var lastChange: UInt64 = 0

  mutating func look(_ losses: LoopLosses, now: UInt64) -> Action {
    let isMore = losses.relieved != seen.relieved
    let last = seen
    seen = losses
    guard isMore else {
      guard let before, now - lastChange >= Self.quiet else { return .none }
      self.before = nil
      return .ended(given(since: before))
    }
    lastChange = now
    guard before == nil else { return .none }
    before = last
    return .began(given(since: last))
  }

  private func given(since before: LoopLosses) -> GivenUp {
    GivenUp(connections: seen.relieved - before.relieved, bytes: seen.relievedBytes - before.relievedBytes)
  }
}
