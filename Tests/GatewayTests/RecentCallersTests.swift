import MCP
import Testing

@testable import Gateway

@Suite("Whose calls were the last in a conversation that clients share")
struct RecentCallersTests {
  @Test("are those of the sessions that called last, and of no more than there are places")
  func last() {
    var callers = RecentCallers()
    let sessions = (0...RecentCallers.places).map { SessionID(high: UInt64($0), low: 7, worker: 0) }
    #expect(!callers.contains(sessions[0]))
    for session in sessions.dropLast() { callers.note(session) }
    #expect(sessions.dropLast().allSatisfy(callers.contains))
    callers.note(sessions[0])
    #expect(callers.contains(sessions[0]))
    // The next one's place was the first one's.
    callers.note(sessions[RecentCallers.places])
    #expect(callers.contains(sessions[RecentCallers.places]) && !callers.contains(sessions[0]))
    #expect(callers.contains(sessions[1]))
    #expect(!callers.contains(SessionID(high: 1, low: 8, worker: 0)))
  }
}
