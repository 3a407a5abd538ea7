import Testing

@testable import ConfigurationSyntax

/// The lines of an `envFile`.
@Suite struct EnvironmentFileTests {
  private static func parse(_ bytes: [UInt8]) -> (variables: [String: String], mistakes: [String]) {
    var diagnostics: [Diagnostic] = []
    let variables = EnvironmentFile.parse(bytes, file: "/x.env", into: &diagnostics)
    return (variables, diagnostics.map { "\($0.position): \($0.message)" })
  }

  private static func parse(_ text: String) -> (variables: [String: String], mistakes: [String]) {
    parse(Array(text.utf8))
  }

  @Test(
    "lines end with LF, CRLF or CR, with or without a byte order mark", arguments: ["\n", "\r\n", "\r"],
    ["", "\u{FEFF}"])
  func lineEnds(_ end: String, _ mark: String) {
    let lines = ["A=1", "B=\"two words\"", "# note", "", "export\tC='3' ", "\texport D = 4 # four", "E=", "F=\"\""]
    for last in ["", end] {
      let (variables, mistakes) = Self.parse(mark + lines.joined(separator: end) + last)
      #expect(variables == ["A": "1", "B": "two words", "C": "3", "D": "4", "E": "", "F": ""])
      #expect(mistakes.isEmpty)
    }
  }

  @Test(
    "a value is what people mean by it",
    arguments: [
      ("plain", "plain"), ("a b  ", "a b"), ("a#b", "a#b"), ("#b", "#b"), (" # only a note", ""), ("a\t# note", "a"),
      (#""a # b" # note"#, "a # b"), (#"'a\n"'"#, #"a\n""#), (#""a\n\t\"\\\$\x""#, "a\n\t\"\\$\\x"), ("a=b", "a=b"),
      ("=\u{301}é", "=\u{301}é"), ("\u{A0}x", "\u{A0}x"),
    ])
  func value(_ written: String, _ meant: String) {
    let (variables, mistakes) = Self.parse("V=\(written)\r\nW=1")
    #expect(variables == ["V": meant, "W": "1"])
    #expect(mistakes.isEmpty)
  }

  @Test("a mark that combines with the sign before it does not hide it")
  func combining() {
    #expect(Self.parse("A=\u{301}\nB=\"\u{301}\"").variables == ["A": "\u{301}", "B": "\u{301}"])
  }

  @Test("mistakes are named by their line, whatever the line ends, and show no value")
  func mistakes() {
    let (variables, mistakes) = Self.parse("A=1\r\nsecret\rB='secret\n = secret\nC D=secret\nE=sec\0ret\n\nF=2")
    #expect(variables == ["A": "1", "F": "2"])
    #expect(
      mistakes == [
        "/x.env:2:1: not a line of an environment file",
        "/x.env:3:1: no variable of a process can hold a NUL character",
        "/x.env:4:1: not the name of a variable", "/x.env:5:1: not the name of a variable",
        "/x.env:6:1: no variable of a process can hold a NUL character",
      ])
  }

  @Test("a quoted value may go on over several lines", arguments: ["\n", "\r\n", "\r"], ["\"", "'"])
  func severalLines(_ end: String, _ quote: String) {
    let lines = [
      "A=1", "KEY=\(quote)-----BEGIN-----", "  a # b=c  ", "", "-----END-----\(quote) # note", "B=\(quote)",
      "\(quote)", "C=3",
    ]
    let (variables, mistakes) = Self.parse(lines.joined(separator: end))
    #expect(variables == ["A": "1", "KEY": "-----BEGIN-----\n  a # b=c  \n\n-----END-----", "B": "\n", "C": "3"])
    #expect(mistakes.isEmpty)
  }

  @Test("blanks at the ends of the lines of such a value are its own, and escapes mean what they mean on one line")
  func severalLinesAsTheyAre() {
    #expect(Self.parse("A=\"x  \n\\\"y\\n\\\nz\"\nB=1").variables == ["A": "x  \n\"y\n\\\nz", "B": "1"])
    #expect(Self.parse("A='it is \"so\"\n\\'").variables == ["A": "it is \"so\"\n\\"])
  }

  @Test("a quote without its end takes nothing of the other variables", arguments: ["\"", "'"])
  func noEnd(_ quote: String) {
    let (variables, mistakes) = Self.parse("A=\(quote)secret\nB=\(quote)other\(quote)\nC=3\nD=\(quote)\nE=5")
    #expect(variables == ["B": "other", "C": "3", "E": "5"])
    #expect(
      mistakes == [
        "/x.env:1:1: a quote whose value ends in the midst of line 2", "/x.env:4:1: a quote that does not end",
      ])
  }

  @Test(
    "what is not UTF-8, as Windows writes it, is refused with its place", arguments: [[0xFF, 0xFE], [0xFE, 0xFF]])
  func encoding(_ mark: [UInt8]) {
    let (variables, mistakes) = Self.parse(mark + Array("A=1".utf8))
    #expect(variables.isEmpty)
    #expect(mistakes == ["/x.env:1:1: not a text in UTF-8"])
    #expect(Self.parse(Array("A=1\nB=\"".utf8) + [0x80]).mistakes == ["/x.env:2:4: not a text in UTF-8"])
    // UTF-16 without its mark.
    #expect(Self.parse("A\0=\01\0\n\0").variables.isEmpty)
  }

  @Test("a variable that no process can be given is refused")
  func size() {
    let fits = String(repeating: "x", count: (128 << 10) - 3)
    #expect(Self.parse("A=\(fits)").variables["A"]?.utf8.count == fits.utf8.count)
    let (variables, mistakes) = Self.parse("A=\(fits)x\nB=1")
    #expect(variables == ["B": "1"])
    #expect(mistakes == ["/x.env:1:1: a variable that is too large for a process"])
  }
}
