import MCP
import Testing

@testable import Clusters

@Suite("Whose calls were the last in a conversation that clients share")
struct RecentCallersTests {
  /// Sessions of one set.
  private let sessions = (0...RecentCallers.places).map { SessionID(high: UInt64($0) << 32 | 5, low: 7, worker: 0) }

  @Test("is known of as many as a set takes, wherever they meet")
  func few() {
    var callers = RecentCallers()
    #expect(!callers.contains(sessions[0]))
    for _ in 0..<3 {
      for session in sessions.dropLast() {
        callers.note(session)
        callers.note(session)
        #expect(callers.contains(session))
      }
    }
    #expect(sessions.dropLast().allSatisfy(callers.contains))
    #expect(!callers.contains(sessions.last!))
    #expect(!callers.contains(SessionID(high: sessions[0].high, low: 8, worker: 0)))
  }

  @Test("is forgotten first of the one that has not called for longest")
  func oldest() {
    var callers = RecentCallers()
    for session in sessions.dropLast() { callers.note(session) }
    callers.note(sessions[0])
    callers.note(sessions.last!)
    #expect(!callers.contains(sessions[1]))
    #expect((sessions.prefix(1) + sessions.dropFirst(2)).allSatisfy(callers.contains))
    // Others are not concerned.
    let other = SessionID(high: 6, low: 7, worker: 0)
    callers.note(other)
    #expect(callers.contains(other) && callers.contains(sessions[0]) && callers.contains(sessions[2]))
  }

  @Test("is told of all that are known, each once, and of nobody before somebody called")
  func all() {
    var callers = RecentCallers()
    #expect(callers.sessionIDs == [])
    let others = (0..<40).map { SessionID(high: UInt64($0), low: 7, worker: 0) }
    for session in others + others.reversed() { callers.note(session) }
    #expect(Set(callers.sessionIDs.map(\.high)) == Set(0..<40) && callers.sessionIDs.count == 40)
    #expect(others.allSatisfy(callers.contains))
  }
}
