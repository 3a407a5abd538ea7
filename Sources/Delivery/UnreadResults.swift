import Reactor
import Workers

/// What waits for clients that do not read it, of sources that can't be paused for one of them: a child, or whatever else
/// speaks to several. It is bounded in all, since each alone may be as large as a result; the child is read on, and the
/// others get what is theirs. Each worker has one. A value without I/O.
struct UnreadResults {
  private var waiting: [(connection: ConnectionID, party: Party)] = []

  var isEmpty: Bool { waiting.isEmpty }

  /// Something waits for one more client. Gives those to be ended: of the party for whom most waits, who waited longest,
  /// until no more than `limit` bytes are left, or one connection.
  /// - Parameter queued: bytes that wait for a connection; 0 for one that has read everything, or is gone.
  mutating func add(
    _ connection: ConnectionID, of party: Party, atMost limit: Int, queued: (ConnectionID) -> Int
  ) -> [ConnectionID] {
    if !waiting.contains(where: { $0.connection == connection }) { waiting.append((connection, party)) }
    var sizes: [Int] = []
    var sums: [Party: Int] = [:]
    waiting.removeAll { entry in
      let size = queued(entry.connection)
      guard size > 0 else { return true }
      sizes.append(size)
      sums[entry.party, default: 0] += size
      return false
    }
    var total = sizes.reduce(0, +)
    var ended: [ConnectionID] = []
    while total > limit, waiting.count > 1, let heaviest = sums.max(by: { $0.value < $1.value })?.key,
      let place = waiting.firstIndex(where: { $0.party == heaviest })
    {
      ended.append(waiting.remove(at: place).connection)
      let size = sizes.remove(at: place)
      total -= size
      sums[heaviest]! -= size
    }
    return ended
  }
}
