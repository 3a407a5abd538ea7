import MCP
import Testing

@testable import Clusters

@Suite("Questions at a URL")
struct AskedElicitationsTests {
  private let ann = Self.session()
  private let bob = Self.session()

  private static func session() -> SessionID {
    return SessionID(worker: 0)
  }

  private func id(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test("are done for the session that was asked")
  func asked() {
    var asked = AskedElicitations()
    asked.note(id("1"), of: ann, now: 0)
    asked.note(id("2"), of: bob, now: 0)
    asked.note(id("1"), of: ann, now: 1)
    #expect(asked.session(asked: id("1"), now: 2) == ann)
    #expect(asked.session(asked: id("2"), now: 2) == bob)
    #expect(asked.session(asked: id("3"), now: 2) == nil)
  }

  @Test("are nobody's where several were given the same id")
  func ambiguous() {
    var asked = AskedElicitations()
    asked.note(id("1"), of: ann, now: 0)
    asked.note(id("1"), of: bob, now: 0)
    #expect(asked.session(asked: id("1"), now: 0) == nil)
    asked.note(id("1"), of: ann, now: 0)
    #expect(asked.session(asked: id("1"), now: 0) == nil)
  }

  @Test("are remembered for an hour, so many of a session and so many in all, and no long ids")
  func bounds() {
    var asked = AskedElicitations()
    asked.note(id("old"), of: ann, now: 0)
    #expect(asked.session(asked: id("old"), now: AskedElicitations.lifetime - 1) == ann)
    #expect(asked.session(asked: id("old"), now: AskedElicitations.lifetime) == nil)
    asked.note(id("hers"), of: bob, now: 0)
    for number in 0..<AskedElicitations.mostOfSession { asked.note(id("\(number)"), of: ann, now: 0) }
    #expect(asked.session(asked: id("old"), now: 0) == nil)
    #expect(asked.session(asked: id("0"), now: 0) == ann)
    #expect(asked.session(asked: id("hers"), now: 0) == bob)
    for number in 0..<AskedElicitations.most { asked.note(id("more \(number)"), of: Self.session(), now: 0) }
    #expect(asked.session(asked: id("hers"), now: 0) == nil)
    #expect(asked.session(asked: id("more 0"), now: 0) != nil)
    let long = Array(repeating: UInt8(ascii: "x"), count: AskedElicitations.longestID + 1)
    asked.note(long, of: ann, now: 0)
    asked.note([], of: ann, now: 0)
    #expect(asked.session(asked: long, now: 0) == nil && asked.session(asked: [], now: 0) == nil)
  }
}
