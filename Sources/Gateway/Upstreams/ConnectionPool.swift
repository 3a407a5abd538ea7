import Reactor

/// The idle connections of one worker to one upstream. The one used last is taken first: it is the least likely to have
/// been closed by the other side.
struct ConnectionPool {
  private var idle: [ConnectionID] = []
  /// Connections beyond this many are closed after use.
  static let capacity = 100

  var count: Int { idle.count }

  mutating func take() -> ConnectionID? { idle.popLast() }

  /// False if there are enough.
  mutating func give(_ connection: ConnectionID) -> Bool {
    guard idle.count < Self.capacity else { return false }
    idle.append(connection)
    return true
  }

  mutating func remove(_ connection: ConnectionID) {
    idle.removeAll { $0 == connection }
  }
}
