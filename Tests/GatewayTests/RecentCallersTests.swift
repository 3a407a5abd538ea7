import MCP
import Testing

@testable import Gateway

@Suite("Whose calls were the last in a conversation that clients share")
struct RecentCallersTests {
  @Test("are those of the sessions that called last, and of no more than there is room for")
  func last() {
    var callers = RecentCallers()
    let sessions = (0...RecentCallers.most).map { SessionID(high: UInt64($0), low: 7, worker: 0) }
    #expect(!callers.contains(sessions[0]))
    for session in sessions.dropLast() { callers.note(session) }
    #expect(sessions.dropLast().allSatisfy(callers.contains))
    // Who calls again is not the one that is forgotten.
    callers.note(sessions[0])
    callers.note(sessions[0])
    callers.note(sessions[RecentCallers.most])
    #expect(callers.contains(sessions[0]) && callers.contains(sessions[RecentCallers.most]))
    #expect(!callers.contains(sessions[1]) && callers.contains(sessions[2]))
  }
}
