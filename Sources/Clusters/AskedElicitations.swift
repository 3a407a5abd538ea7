import MCP

/// Which client sessions an upstream has sent to a URL, by the `elicitationId` of each: for what it says when a human is
/// done there, which may be long after the call has ended. A value without I/O; times in milliseconds.
public struct AskedElicitations: Sendable {
  private struct Asked: Sendable {
    var id: [UInt8]
    /// Nil if several sessions were given the id: then it says of none of them that it is meant.
    var session: SessionID?
    var until: UInt64
  }

  /// Questions that are remembered of one conversation, and of one session in it. The oldest is forgotten first.
  static let most = 1024
  public static let mostOfSession = 32
  /// Bytes of an id; one that is longer is not remembered.
  static let longestID = 256
  static let lifetime: UInt64 = 3_600_000

  /// In the order in which they were asked.
  private var asked: [Asked] = []

  mutating func note(_ id: [UInt8], of session: SessionID, now: UInt64) {
    guard !id.isEmpty, id.count <= Self.longestID else { return }
    asked.removeAll { $0.until <= now }
    if let place = asked.firstIndex(where: { $0.id == id }) {
      if asked[place].session != session { asked[place].session = nil }
      return
    }
    if asked.count(where: { $0.session == session }) >= Self.mostOfSession,
      let oldest = asked.firstIndex(where: { $0.session == session })
    {
      asked.remove(at: oldest)
    } else if asked.count >= Self.most {
      asked.removeFirst()
    }
    asked.append(Asked(id: id, session: session, until: now + Self.lifetime))
  }

  /// The session that was asked under that id; nil if none was, or several.
  func session(asked id: [UInt8], now: UInt64) -> SessionID? {
    asked.first { $0.id == id && $0.until > now }?.session
  }
}
