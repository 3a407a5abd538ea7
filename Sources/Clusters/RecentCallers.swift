import MCP

/// The sessions that have called last in a conversation that they share: what its server says outside of calls may be about
/// what they did. They are kept in small sets, found by the random bits of their ids, so that a call costs a look at one of
/// them however many call; of more than a set takes, those that have not called for longest are forgotten. So of a few
/// clients none is, and of many about as many are known as there are places.
public struct RecentCallers: Sendable {
  /// Of one set.
  static let places = 4
  private static let sets = 16
  /// The random bits of each, those of one set together, the last one first; zeros for none. Empty until somebody calls.
  private var sessions: [(high: UInt64, low: UInt64)] = []

  mutating func note(_ session: SessionID) {
    if sessions.isEmpty { sessions = Array(repeating: (0, 0), count: Self.sets * Self.places) }
    let first = Self.set(of: session)
    // What was there moves back, up to where the session itself was found.
    var moved = (high: session.high, low: session.low)
    for place in first..<(first + Self.places) {
      let former = sessions[place]
      sessions[place] = moved
      if former == (session.high, session.low) { return }
      moved = former
    }
  }

  /// All of them.
  public var sessionIDs: [SessionID] {
    sessions.lazy.filter { $0 != (0, 0) }.map { SessionID(high: $0.high, low: $0.low, worker: 0) }
  }

  func contains(_ session: SessionID) -> Bool {
    guard !sessions.isEmpty else { return false }
    let first = Self.set(of: session)
    return sessions[first..<(first + Self.places)].contains { $0 == (session.high, session.low) }
  }

  /// Where the set begins that a session belongs to.
  private static func set(of session: SessionID) -> Int { Int(session.high % UInt64(sets)) * places }
}
