/// The idle connections of one worker to one endpoint, in the order in which they became idle.
///
/// Servers end connections that are idle for some seconds, and a request that meets such an end on its way is lost. How
/// long this one waits is learned from the ends that are seen; a connection about as old is not used again.
struct IdleConnections<Connection: Equatable & Sendable>: Sendable {
  struct Entry: Sendable {
    let connection: Connection
    let lease: Lease
    let since: UInt64
    /// It has carried a request before.
    let wasUsed: Bool
  }

  private var entries = Queue<Entry>()
  /// How long the upstream lets a connection be idle, as far as is known.
  private var patience = UInt64.max
  /// The fewest that there were since `windowStart`.
  private var fewest = 0
  private var windowStart: UInt64 = 0
  /// Ends after less than this have other reasons, such as a restart.
  private static var shortestPatience: UInt64 { 1000 }
  /// For so long a connection has to have been more than were needed.
  private static var window: UInt64 { 100 }

  var count: Int { entries.count }

  @inline(__always)
  mutating func append(_ connection: Connection, _ lease: Lease, wasUsed: Bool = true, now: UInt64) {
    entries.append(Entry(connection: connection, lease: lease, since: now, wasUsed: wasUsed))
  }

  /// One that may still be open.
  @inline(__always)
  mutating func take(_ strategy: PoolBounds.Strategy, now: UInt64) -> Entry? {
    switch strategy {
    case .lifo:
      guard let last = entries.last, isUsable(last, now) else { return nil }
      _ = entries.popLast()
      fewest = min(fewest, count)
      return last
    case .fifo:
      guard let first = entries.first else { return nil }
      if isUsable(first, now) {
        entries.dropFirst()
        fewest = min(fewest, count)
        return first
      }
      return takeYounger(now)
    }
  }

  @inline(never)
  private mutating func takeYounger(_ now: UInt64) -> Entry? {
    guard let index = (0..<count).first(where: { isUsable(entries[$0], now) }) else { return nil }
    return remove(at: index)
  }

  /// The one that has been idle longest, whatever it is good for.
  mutating func takeLongestIdle() -> Entry? { entries.isEmpty ? nil : remove(at: 0) }

  /// The upstream ended one.
  mutating func ended(_ connection: Connection, now: UInt64) {
    guard let entry = remove(connection) else { return }
    let age = now - entry.since
    if age >= Self.shortestPatience { patience = min(patience, age) }
  }

  @discardableResult
  mutating func remove(_ connection: Connection) -> Entry? {
    (0..<count).first { entries[$0].connection == connection }.map { remove(at: $0) }
  }

  /// Takes out those that are not to be used any more, and those that have been idle for `limit`, if more than `kept`
  /// are left.
  mutating func takeExpired(after limit: UInt64, keeping kept: Int, now: UInt64) -> [Entry] {
    var expired: [Entry] = []
    var index = 0
    while index < count {
      let entry = entries[index]
      guard !isUsable(entry, now) || now - entry.since >= limit && count > kept else {
        index += 1
        continue
      }
      expired.append(remove(at: index))
    }
    return expired
  }

  /// How many were never needed for a while; 0 as long as that is not over.
  mutating func takeSurplus(now: UInt64) -> Int {
    guard now - windowStart >= Self.window else { return 0 }
    defer {
      fewest = count
      windowStart = now
    }
    return fewest
  }

  mutating func takeAll() -> [Entry] {
    var all: [Entry] = []
    while let entry = takeLongestIdle() { all.append(entry) }
    return all
  }

  private mutating func remove(at index: Int) -> Entry {
    let entry = entries.remove(at: index)
    fewest = min(fewest, count)
    return entry
  }

  @inline(__always)
  private func isUsable(_ entry: Entry, _ now: UInt64) -> Bool {
    now &- entry.since < usable && now < entry.lease.expiresAt
  }

  /// An eighth is left for the way of the request, and for the upstream's clock.
  private var usable: UInt64 { patience == .max ? .max : patience - max(patience / 8, 100) }
}
