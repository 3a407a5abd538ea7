import MCP
import Testing
import Wire

@Suite("How long a list may be kept")
struct ListLifetimeTests {
  private func end(_ pages: [(String, UInt64)]) -> UInt64? {
    var lifetime = ListLifetime()
    for (page, time) in pages { lifetime.add(Array(page.utf8).rawBytes, receivedAt: time) }
    return lifetime.end
  }

  @Test("each page has its own clock, and the first that is too old counts")
  func pages() {
    #expect(end([]) == nil)
    #expect(end([(#"{"ttlMs":5000,"tools":[]}"#, 100)]) == 5100)
    #expect(end([(#"{"ttlMs":5000}"#, 100), (#"{"ttlMs":4990}"#, 160)]) == 5100)
    #expect(end([(#"{"ttlMs":5000}"#, 100), (#"{"ttlMs":10}"#, 160)]) == 170)
  }

  @Test("what is absent, negative or no whole number is old at once, and nothing is kept longer than a day")
  func faults() {
    for page in [#"{}"#, #"{"ttlMs":-4}"#, #"{"ttlMs":"60000"}"#, #"{"ttlMs":null}"#, #"{"ttlMs":0}"#] {
      #expect(end([(page, 7)]) == 7, "\(page)")
    }
    let day: UInt64 = 86_400_000
    #expect(end([(#"{"ttlMs":9223372036854775807}"#, 7)]) == day + 7)
  }
}
