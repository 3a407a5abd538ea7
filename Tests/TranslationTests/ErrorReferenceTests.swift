import Foundation
import MCP
import Testing
import Translation

@Suite struct ErrorReferenceTests {
  private static let page = URL(filePath: #filePath).appending(
    path: "../../../Sources/Gateway/Gateway.docc/Errors.md")

  @Test(
    "the page in the documents is what the code says: sluice explain --all > Sources/Gateway/Gateway.docc/Errors.md")
  func pageIsWhatTheCodeSays() throws {
    let written = try String(contentsOf: Self.page.standardized, encoding: .utf8).split(separator: "\n")
    let made = ErrorReference.page.split(separator: "\n")
    for (line, expected) in zip(written, made) { #expect(line == expected) }
    #expect(written.count == made.count)
  }

  @Test func everyReasonIsOneOfItsOwn() {
    #expect(Set(ErrorReference.reasons).count == GatewayError.Kind.allCases.count)
    for kind in GatewayError.Kind.allCases {
      let (modern, legacy) = (GatewayError(kind).answer(to: .modern), GatewayError(kind).answer(to: .legacy))
      #expect(modern.label.description == legacy.label.description)
      #expect(ErrorReference.kind(of: "\(modern.label)") == kind)
    }
  }

  @Test(arguments: GatewayError.Kind.allCases)
  func everyKindHasAMeaningAndARemedyInWholeSentences(kind: GatewayError.Kind) {
    for text in [kind.meaning.meaning, kind.meaning.remedy] {
      #expect(text.hasSuffix(".") && text.count > 10)
      // It stands in a cell of a table.
      #expect(!text.contains("|") && !text.contains("\n"))
    }
  }

  @Test func anExplanationSaysWhatItMeansWhatToDoAndHowItLooks() {
    let text = ErrorReference.explanation(of: .overloaded)
    #expect(text.hasPrefix("overloaded: The gateway is overloaded\n"))
    #expect(text.contains("What to do: Try again after `retry_after_ms`."))
    #expect(text.contains("503, -32603"))
    #expect(text.contains("closed with 1013"))
  }
}
