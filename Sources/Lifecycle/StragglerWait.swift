/// How long the first list waits for upstreams that have not answered once most others have, so that one that hangs does not
/// hold up a start. The fewer they are among those that are well, the shorter. A value without I/O; times in milliseconds from
/// the start.
struct StragglerWait {
  /// Nobody is given up on before this, however many others were quicker: a server may be far away.
  static let shortest: UInt64 = 250

  /// `first_list_wait`.
  private let limit: UInt64
  private var wellCount = 0
  private var lastWellAt: UInt64 = 0

  init(limit: UInt64) { self.limit = limit }

  /// When the wait is over. They have their share of `first_list_wait`, and half as long again as the slowest of the others
  /// took. A process may be busy with its start for all of that time.
  /// - Parameters: the upstreams that are well; those that have not answered at all; those among these that are commands.
  mutating func end(well: Int, missing: Int, commands: Int, now: UInt64) -> UInt64 {
    if well > wellCount { (wellCount, lastWellAt) = (well, now) }
    guard well > missing, commands == 0 else { return limit }
    let share = limit * UInt64(missing) / UInt64(well)
    return min(limit, max(Self.shortest, share, lastWellAt + lastWellAt / 2))
  }
}
