import Catalogue
import MCP
import Testing
import Wire

/// Entries for which strict clients would refuse a whole list (schemas: `Tool`, `Prompt` and their kind).
@Suite struct MendedEntryTests {
  private static func served(
    _ kind: ListKind, _ entry: String, _ revision: Revision = .r20251125
  ) -> (list: String, problems: [Catalogue.Problem]) {
    var lists = CatalogueTests.lists("a", revision == .newest ? .newest : .r20251125)
    let key = ["tools", "resources", "resourceTemplates", "prompts"][Int(kind.rawValue)]
    lists.pages[kind] = [Array("{\"\(key)\":[\(entry)]}".utf8)]
    let catalogue = CatalogueTests.merge([lists])
    let text = CatalogueTests.text(catalogue, kind, revision)
    let start = text.firstRange(of: "[")!.upperBound
    let end = text.lastIndex(of: "]")!
    return (String(text[start..<end]), catalogue.problems)
  }

  private static let revisions: [Revision] = [.r20241105, .r20250326, .r20250618, .r20251125, .newest]

  @Test(
    "a tool gets the schema of an object in every revision", arguments: revisions,
    [
      ("", #"{"type":"object"}"#), (#""inputSchema":null,"#, #"{"type":"object"}"#),
      (#""inputSchema":true,"#, #"{"type":"object"}"#), (#""inputSchema":[],"#, #"{"type":"object"}"#),
      (#""inputSchema":{},"#, #"{"type":"object"}"#), (#""inputSchema":{"type":null},"#, #"{"type":"object"}"#),
      (#""inputSchema":{"type":"string"},"#, #"{"type":"object"}"#),
      (#""inputSchema":{"type":["object","null"]},"#, #"{"type":"object"}"#),
      (##""inputSchema":{"$ref":"#/x"},"##, ##"{"type":"object","$ref":"#/x"}"##),
      (#""inputSchema":{"type":"object","required":null,"x":1.10},"#, #"{"type":"object","x":1.10}"#),
      (#""inputSchema":{"type":"object","required":"a"},"#, #"{"type":"object"}"#),
      (#""inputSchema":{"required":["a"],"properties":null,"title":null},"#, #"{"type":"object","required":["a"]}"#),
      (
        #""inputSchema":{"type":"object","properties":{"a":true,"b":false,"c":null,"d":{"x":null}}},"#,
        #"{"type":"object","properties":{"a":{},"b":{"not":{}},"c":{},"d":{"x":null}}}"#
      ),
    ])
  func schema(_ revision: Revision, _ written: (member: String, schema: String)) {
    let (list, problems) = Self.served(.tools, "{\(written.member)\"name\":\"t\"}", revision)
    let bytes = Array(list.utf8)
    var schema = ""
    if let found = JSON.find("inputSchema", in: bytes.rawBytes) { schema = found.text }
    #expect(schema == written.schema)
    let keepsName = JSON.isString(JSON.find("name", in: bytes.rawBytes), "t")
    #expect(keepsName)
    #expect(problems.count == 1)
  }

  @Test(
    "what is optional and broken is left out, and the rest keeps its bytes",
    arguments: [
      (ListKind.tools, #"{"name":"t","inputSchema":{"type":"object"}}"#),
      (.resources, #"{"uri":"x:1","name":"r"}"#), (.templates, #"{"uriTemplate":"x:{y}","name":"r"}"#),
      (.prompts, #"{"name":"p"}"#),
    ],
    [
      #""description":null"#, #""title":7"#, #""icons":null"#, #""icons":[{"src":1}]"#,
      #""icons":[{"src":"a","sizes":"any"}]"#,
      #""_meta":null"#, #""_meta":[]"#, #""annotations":null"#,
    ])
  func optional(_ written: (kind: ListKind, entry: String), _ broken: String) {
    let (list, problems) = Self.served(written.kind, written.entry.dropLast() + ",\(broken),\"x\" : 1.10}")
    #expect(list == written.entry.dropLast() + ",\"x\" : 1.10}")
    #expect(problems.count == 1)
  }

  @Test(
    "parts of an entry are looked at too",
    arguments: [
      (
        ListKind.tools,
        #""name":"t","inputSchema":{"type":"object"},"annotations":{"title":null,"readOnlyHint":"yes","x":0}"#,
        #""name":"t","inputSchema":{"type":"object"},"annotations":{"x":0}"#
      ),
      (
        .tools, #""name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"object","required":null}"#,
        #""name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"object"}"#
      ),
      (
        .tools, #""name":"t","inputSchema":{"type":"object"},"outputSchema":null"#,
        #""name":"t","inputSchema":{"type":"object"}"#
      ),
      (.resources, #""uri":"x:1""#, #""name":"x:1","uri":"x:1""#),
      (.resources, #""uri":"x:1","name":null,"mimeType":null"#, #""name":"x:1","uri":"x:1""#),
      (.resources, #""uri":"x:1","name":"r","size":"12""#, #""uri":"x:1","name":"r""#),
      (
        .resources, #""uri":"x:1","name":"r","annotations":{"audience":["all"],"priority":2,"lastModified":1}"#,
        #""uri":"x:1","name":"r","annotations":{}"#
      ),
      (.templates, #""uriTemplate":"x:{y}""#, #""name":"x:{y}","uriTemplate":"x:{y}""#),
      (.prompts, #""name":"p","arguments":null"#, #""name":"p""#),
      (.prompts, #""name":"p","arguments":{}"#, #""name":"p""#),
      (
        .prompts, #""name":"p","arguments":[{"name":"a","required":null},null,{"description":"d"},{"name":"b"}]"#,
        #""name":"p","arguments":[{"name":"a"},{"name":"b"}]"#
      ),
    ])
  func parts(_ kind: ListKind, _ entry: String, _ expected: String) {
    let (list, problems) = Self.served(kind, "{\(entry)}")
    #expect(list == "{\(expected)}")
    #expect(problems.count == 1)
  }

  @Test(
    "what is right stays as it is, in every revision that has it",
    arguments: [
      (
        ListKind.tools,
        #"{"name":"t","description":"d","inputSchema":{"type":"object","properties":{"a":{"default":null}},"default":null},"x":null}"#
      ),
      (
        .tools,
        #"{"name":"t","title":"T","inputSchema":{"type" : "object"},"icons":[{"src":"data:,","sizes":["any"],"theme":"dark"}],"annotations":{"readOnlyHint":true}}"#
      ),
      (
        .resources,
        #"{"uri":"x:1","name":"","size":0,"annotations":{"audience":["user","assistant"],"priority":0.5,"lastModified":"2025"},"_meta":{"a":null}}"#
      ),
      (.prompts, #"{"name":"p","arguments":[{"name":"a","description":"d","required":true,"title":"A"}]}"#),
    ])
  func sound(_ kind: ListKind, _ entry: String) {
    let (list, problems) = Self.served(kind, entry)
    #expect(list == entry)
    #expect(problems.isEmpty)
  }

  @Test("a resource whose URI has no scheme is left out", arguments: ["a", "/a/b", "1x:y", "a b:c", ":a"])
  func noScheme(_ uri: String) {
    let (list, problems) = Self.served(.resources, #"{"uri":"\#(uri)","name":"r"}"#)
    #expect(list.isEmpty)
    #expect(problems == [.notURI(alias: "a", own: uri)])
  }

  @Test("a server is told of once for a whole list, with a few of its entries as examples")
  func oneProblem() {
    let tools = (1...5).map { #"{"name":"t\#($0)","inputSchema":null}"# }
    let catalogue = CatalogueTests.merge([CatalogueTests.lists("a", tools: tools)])
    guard case .mended("a", .tools, let faults) = catalogue.problems.first else {
      Issue.record("not told: \(catalogue.problems)")
      return
    }
    #expect(catalogue.problems.count == 1)
    #expect(
      faults.text
        == "\"t1\" (`inputSchema` is null), \"t2\" (`inputSchema` is null), \"t3\" (`inputSchema` is null) and 2 more")
  }

  @Test("a mended tool keeps its name in the merged view and its mirrored parameters")
  func renamed() {
    let tool =
      #"{"description":null,"name":"t","inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"R"}}}}"#
    let catalogue = CatalogueTests.merge([
      CatalogueTests.lists("a", .newest, isHTTP: true, tools: [tool]), CatalogueTests.lists("b"),
    ])
    #expect(
      CatalogueTests.text(catalogue).contains(#"{"name":"a__t","inputSchema":{"type":"object","properties":{"r":"#))
    #expect(catalogue.entries(.tools)[0].parameters.count == 1)
  }
}
