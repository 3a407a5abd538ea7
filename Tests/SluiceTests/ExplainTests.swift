import ArgumentParser
import Testing

@testable import sluice

@Suite struct ExplainTests {
  @Test(arguments: ["circuit_open", "circuit-open", "CIRCUIT_OPEN"])
  func explainsAReasonHoweverItIsWritten(reason: String) throws {
    let text = try Explain.parse([reason]).explanation(of: reason)
    #expect(text.hasPrefix("circuit_open: "))
    #expect(text.contains("retry_after_ms"))
  }

  @Test func aReasonThatNoErrorHasIsAMistake() throws {
    let explain = try Explain.parse(["nonsense"])
    #expect(throws: ValidationError.self) { try explain.explanation(of: "nonsense") }
  }
}
