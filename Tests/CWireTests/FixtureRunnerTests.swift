import Testing

@Suite("The fixture runner")
struct FixtureRunnerTests {
  @Test("every byte survives escaping and back")
  func roundTrip() throws {
    let bytes = (0...255).map(UInt8.init)
    #expect(try FixtureText.unescape(FixtureText.escape(bytes)) == bytes)
  }

  @Test("a run repeats its text")
  func run() throws {
    #expect(try FixtureText.unescape(#"<\(ab\x21*3)>\(\**2)"#) == Array("<ab!ab!ab!>**".utf8))
  }

  @Test("a page yields its cases with names, options and bytes")
  func page() throws {
    let page = FixturePage(
      path: "inline",
      text: """
        # Page
        ## First
        ```upper limit=3 strict
        a\\r\\n
          b
        ```
        why
        ```trace
        one
        two
        ```
        """)
    let cases = try page.cases()
    #expect(cases.count == 1)
    #expect(cases[0].name == "First")
    #expect(cases[0].line == 3)
    #expect(cases[0].codec == "upper")
    #expect(cases[0].options == ["limit": "3", "strict": ""])
    #expect(cases[0].input == Array("a\r\n  b".utf8))
    #expect(cases[0].trace == ["one", "two"])
  }

  @Test(
    "a malformed page is refused",
    arguments: ["```x\na\n```", "```trace\na\n```", "```x\na\n```\n```y\nb\n```", "```x\n", "```\n```\n"])
  func malformed(text: String) {
    #expect(throws: FixtureError.self) { try FixturePage(path: "inline", text: text).cases() }
  }

  @Test("a codec whose trace depends on the cut is caught")
  func cutDependent() throws {
    let page = FixturePage(path: "inline", text: "## Case\n```count\nabc\n```\n```trace\n1\n```\n")
    let failures = try page.failures(["count": { pieces, _ in ["\(pieces.count)"] }])
    #expect(failures.count == 1)
    #expect(failures.first?.contains("byte by byte") == true)
    #expect(try page.failures(["count": { _, _ in ["1"] }]).isEmpty)
  }

  @Test("an unknown codec or an empty page is an error")
  func unknown() {
    let page = FixturePage(path: "inline", text: "## Case\n```count\nabc\n```\n```trace\n1\n```\n")
    #expect(throws: FixtureError.self) { try page.failures([:]) }
    #expect(throws: FixtureError.self) { try FixturePage(path: "inline", text: "# Page\n").failures([:]) }
  }

  @Test("inputs are cut everywhere")
  func cuts() {
    let input = Array("abc".utf8)
    let cuts = FixtureCut.all(of: input.count).map { $0.pieces(of: input).map { String(decoding: $0, as: UTF8.self) } }
    #expect(cuts == [["abc"], ["a", "b", "c"], ["a", "bc"], ["ab", "c"]])
  }
}
