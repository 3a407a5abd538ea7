import MCP

/// The sessions that have called last in a conversation that they share: what its server says outside of calls may be about
/// what they did. Of no more than these is that remembered.
struct RecentCallers: Sendable {
  static let most = 64
  /// The last one at the end.
  private var sessions: [SessionID] = []

  mutating func note(_ session: SessionID) {
    guard sessions.last != session else { return }
    if let place = sessions.firstIndex(of: session) {
      sessions.remove(at: place)
    } else if sessions.count == Self.most {
      sessions.removeFirst()
    }
    sessions.append(session)
  }

  func contains(_ session: SessionID) -> Bool { sessions.contains(session) }
}
