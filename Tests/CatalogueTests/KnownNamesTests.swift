import Catalogue
import MCP
import Testing
import Wire

/// What servers last called their own, as it lies on disk.
@Suite struct KnownNamesTests {
  private static let catalogue = CatalogueTests.merge([
    CatalogueTests.lists(
      "a", tools: [CatalogueTests.tool("read"), CatalogueTests.tool(#"caf\u00e9"#)],
      resources: [#"{"uri":"f:///1","name":"n"}"#], templates: [#"{"uriTemplate":"t://{x}","name":"n"}"#]),
    CatalogueTests.lists("b", prompts: [#"{"name":"ask"}"#]), CatalogueTests.lists("c"),
  ])

  private static func names(_ upstream: Int) -> KnownNames { KnownNames(of: upstream, in: catalogue) }

  private static func read(_ lines: [UInt8]...) -> [String: KnownNames] {
    let text = lines.flatMap { $0 }
    return KnownNames.read(text.rawBytes)
  }

  @Test("names come back as they were written, the last line about a server counts")
  func roundTrip() {
    #expect(Self.names(0).tokens[.tools] == [Array(#""read""#.utf8), Array(#""caf\u00e9""#.utf8)])
    #expect(Self.names(0).hasResources && !Self.names(1).hasResources && Self.names(2).isEmpty)
    let lines = (0..<3).map { Self.names($0).line(of: ["a", "b", "c"][$0]) }
    #expect(Self.read(lines[0], lines[1], lines[2]) == ["a": Self.names(0), "b": Self.names(1), "c": KnownNames()])
    #expect(Self.read(lines[0], Self.names(1).line(of: "a")) == ["a": Self.names(1)])
    #expect(Self.read([]).isEmpty)
    // Of this form once and for all: a later version reads what this one wrote.
    #expect(
      String(decoding: lines[1], as: UTF8.self) == #"names 1 \#(Self.digest) {"server":"b","prompts":["ask"]}"# + "\n")
  }
  @Test("what an upstream lists has the names that its catalogue has")
  func listed() {
    let lists = CatalogueTests.lists(
      "a", tools: [CatalogueTests.tool("read"), #"{"no":"name"}"#, CatalogueTests.tool(#"caf\u00e9"#)],
      resources: [#"{"uri":"f:///1","name":"n"}"#], templates: [#"{"uriTemplate":"t://{x}","name":"n"}"#])
    #expect(KnownNames(of: lists) == Self.names(0))
  }

  // printf '{"server":"b","prompts":["ask"]}' | sha256sum
  private static let digest = "14e338117042937b"

  @Test("a line that was cut off, changed, or is of another version is passed over, and those around it are not")
  func damage() {
    let (first, last) = (Self.names(0).line(of: "a"), Self.names(1).line(of: "b"))
    for length in 0..<first.count {
      #expect(Self.read(Array(first[..<length]), [0x0A], last)["b"] == Self.names(1), "\(length) bytes")
    }
    for place in first.indices.dropLast() {
      var changed = first
      changed[place] ^= 1
      let found = Self.read(changed, last)
      #expect(found["a"] == nil && found.count <= 1, "byte \(place)")
    }
    // Without an end of its own it is not whole.
    #expect(Self.read(last, Array(first.dropLast())) == ["b": Self.names(1)])
    for text in ["names 2 0000000000000000 {}", "names 1 ", "{}", "\0\0", "names 1 44136fa355b3678a {}"] {
      #expect(Self.read(Array((text + "\n").utf8), last) == ["b": Self.names(1)], "\(text)")
    }
  }

  @Test("of a server with more names than are kept those that come first are")
  func bounded() {
    let many = CatalogueTests.merge([
      CatalogueTests.lists("a", tools: (0..<20_000).map { CatalogueTests.tool("a tool with a name \($0)") })
    ])
    let names = KnownNames(of: 0, in: many)
    let line = names.line(of: "a")
    #expect(line.count < 300 << 10)
    #expect(names.tokens[.tools]?.first == Array(#""a tool with a name 0""#.utf8))
    #expect(Self.read(line) == ["a": names])
  }
}
