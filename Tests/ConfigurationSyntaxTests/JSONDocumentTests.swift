import Testing

@testable import ConfigurationSyntax

@Suite struct JSONDocumentTests {
  private func text(_ json: String) throws -> String? {
    guard case .scalar(let text) = try JSONDocument.parse(json, file: "f").content else { return nil }
    return text
  }

  @Test("strings are decoded with every escape")
  func strings() throws {
    #expect(try text(#""a\"\\\/\b\f\n\r\té😀\ud83d\ude00 😀 no""#) == "a\"\\/\u{8}\u{c}\n\r\té😀😀 😀 no")
    #expect(try text("\u{FEFF} \"x\"") == "x")
  }

  @Test("comments, tabs and trailing commas are passed over")
  func comments() throws {
    let root = try JSONDocument.parse("/**/{\t\"a\":[1,/* , */2,],// x\n\t\"b\":null,}//", file: "f")
    guard case .mapping(let entries) = root.content else { return #expect(Bool(false)) }
    #expect(entries.map(\.key) == ["a", "b"])
    #expect(entries[1].keyPosition == SourcePosition(file: "f", line: 2, column: 2))
    guard case .sequence(let items) = entries[0].value.content else { return #expect(Bool(false)) }
    #expect(items.count == 2)
    #expect(items[0].position.column == 12)
  }

  @Test(
    "mistakes are told where they are",
    arguments: [
      ("", "1:1"), ("{", "1:2"), ("{\"a\" 1}", "1:6"), ("{\"a\":1 \"b\":2}", "1:8"), ("[1 2]", "1:4"),
      ("{a: 1}", "1:2"),
      ("[1]\n x", "2:2"), ("\"é\n\"", "1:1"), ("[\"é\", x]", "1:7"), (#""\x""#, "1:2"), (#""\ud83d""#, "1:2"),
      (#""\u12G4""#, "1:2"), ("[/* x", "1:2"), ("{\"a\":1,\n\"a\":2}", "2:1"), ("'a'", "1:1"), ("[1,,2]", "1:4"),
      ("tru", "1:1"), ("[--1]", "1:2"), ("[0x1F]", "1:2"), ("[nan]", "1:2"),
    ])
  func mistakes(json: String, place: String) {
    do throws(ConfigurationError) {
      _ = try JSONDocument.parse(json, file: "f")
      Issue.record("it was taken")
    } catch {
      #expect(error.diagnostics.map { "\($0.position.line):\($0.position.column)" } == [place])
    }
  }

  @Test("a document too deep is refused, not recursed into")
  func depth() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    _ = try JSONDocument.parse(nested(256), file: "f")
    #expect(throws: ConfigurationError.self) { try JSONDocument.parse(nested(257), file: "f") }
    #expect(throws: ConfigurationError.self) {
      try JSONDocument.parse(String(repeating: "[", count: 100_000), file: "f")
    }
  }
}
