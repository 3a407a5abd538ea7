/// Something that a worker tells to many clients, a few at a time.
protocol Round: AnyObject {
  /// Tells the next ones. How many were looked at: fewer than `count` if those were the last.
  func tell(atMost count: Int) -> Int
}

/// What one worker has to tell to many: one round after the other, as they were begun, and of all of them no more than a
/// slice in a turn of the loop, so that whoever else asks for something waits for a slice at most. The first slice is told at
/// once: what concerns few is told before anything else happens.
final class FanOut {
  /// Clients that are looked at in the turn in which something is begun, so that two things that concern few are told at once.
  static let first = 128
  /// And in each turn after that. To write an event costs some 8 us, most of it in the kernel.
  static let slice = 64
  /// Letters of other loops, most of them events, that are opened beside them.
  static let letters = 64

  private var rounds: [any Round] = []
  /// What is left of this turn's slice; turns are told apart by their time, and by `goOn`.
  private var left = FanOut.first
  private var turn: UInt64 = .max
  private var isTelling = false
  private var isDue = false

  /// True if `goOn` is to be called in another turn.
  func begin(_ round: some Round, now: UInt64) -> Bool {
    rounds.append(round)
    // What is under way goes on first, by itself.
    guard !isTelling, !isDue else { return false }
    if now != turn {
      turn = now
      left = Self.first
    }
    return tell()
  }

  /// The next slice, in a turn of its own. True if there is more.
  func goOn(now: UInt64) -> Bool {
    isDue = false
    turn = now
    left = Self.slice
    return tell()
  }

  private func tell() -> Bool {
    isTelling = true
    while left > 0, let round = rounds.first {
      let count = round.tell(atMost: left)
      if count < left { rounds.removeFirst() }
      left -= count
    }
    isTelling = false
    isDue = !rounds.isEmpty
    return isDue
  }
}
