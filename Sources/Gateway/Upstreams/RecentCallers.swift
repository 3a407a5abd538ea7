import MCP

/// The sessions that have called last in a conversation that they share: what its server says outside of calls may be about
/// what they did. Each has one place, found by the random bits of its id, so that a call costs one store however many call:
/// of two that meet there the later is remembered, and of no more than there are places.
struct RecentCallers: Sendable {
  static let places = 64
  /// Empty until somebody calls.
  private var sessions: [SessionID?] = []

  mutating func note(_ session: SessionID) {
    if sessions.isEmpty { sessions = Array(repeating: nil, count: Self.places) }
    sessions[Self.place(of: session)] = session
  }

  func contains(_ session: SessionID) -> Bool {
    !sessions.isEmpty && sessions[Self.place(of: session)] == session
  }

  private static func place(of session: SessionID) -> Int { Int(session.high % UInt64(places)) }
}
