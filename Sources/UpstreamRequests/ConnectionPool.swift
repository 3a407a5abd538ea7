import Reactor

/// The idle connections of one worker to one upstream. The one used last is taken first: it is the least likely to have
/// been closed by the other side.
///
/// Servers end connections that are idle for some seconds, and a request that meets such an end on its way is lost. How
/// long this one waits is learned from the ends that are seen; a connection about as old is not used again.
struct ConnectionPool {
  private var idle: [(connection: ConnectionID, since: UInt64)] = []
  /// How long the upstream lets a connection be idle, as far as is known.
  private var patience = UInt64.max
  /// Connections beyond this many are closed after use.
  static let capacity = 100
  /// Milliseconds after which an idle connection is closed here.
  static let idleLimit: UInt64 = 90_000
  /// Ends after less than this have other reasons, such as a restart.
  private static let shortestPatience: UInt64 = 1000

  var count: Int { idle.count }

  /// A connection that may still be open.
  mutating func take(now: UInt64) -> ConnectionID? {
    guard let last = idle.last, now - last.since < usable else { return nil }
    idle.removeLast()
    return last.connection
  }

  /// False if there are enough.
  mutating func give(_ connection: ConnectionID, now: UInt64) -> Bool {
    guard idle.count < Self.capacity else { return false }
    idle.append((connection, now))
    return true
  }

  /// The upstream ended an idle connection.
  mutating func ended(_ connection: ConnectionID, now: UInt64) {
    guard let place = idle.firstIndex(where: { $0.connection == connection }) else { return }
    let age = now - idle.remove(at: place).since
    if age >= Self.shortestPatience { patience = min(patience, age) }
  }

  /// Takes out what has been idle for longer than `limit`, or for too long to be used again. To be closed.
  mutating func expire(after limit: UInt64, now: UInt64) -> [ConnectionID] {
    let oldest = min(limit, usable)
    let expired = idle.prefix { now - $0.since >= oldest }.map(\.connection)
    idle.removeFirst(expired.count)
    return expired
  }

  /// An eighth is left for the way of the request, and for the upstream's clock.
  private var usable: UInt64 { patience == .max ? .max : patience - max(patience / 8, 100) }
}
