import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct PublishedFilesTests {
  @Test("the schema has exactly the keys that the reader knows")
  func schemaKeys() throws {
    let schema = try JSONDocument.parse(PublishedFiles.schema, file: "schema")
    #expect(sorted(outline(of: schema, in: schema)) == sorted(ConfigurationLoader.outline))
  }

  @Test("the defaults in the schema are the defaults of the gateway")
  func schemaDefaults() throws {
    let schema = try JSONDocument.parse(PublishedFiles.schema, file: "schema")
    let yaml = defaults(of: schema, in: schema)
    #expect(yaml.contains("\"write_low_water\": \"16KiB\""))
    #expect(try load(yaml).configuration == GatewayConfiguration())
  }

  @Test("the example loads, and what it sets beside servers are the defaults")
  func example() throws {
    let loaded = try load(PublishedFiles.example)
    var expected = GatewayConfiguration()
    expected.servers = loaded.configuration.servers
    #expect(loaded.configuration == expected)
    #expect(loaded.configuration.servers.map(\.alias) == ["files"])
    #expect(loaded.disabled.map(\.alias) == ["search"])
    #expect(loaded.diagnostics.isEmpty)
  }

  @Test("the example mentions every key")
  func exampleKeys() {
    func check(_ members: [KeyOutline]) {
      for member in members {
        #expect(
          ["*", "[]"].contains(member.name) || PublishedFiles.example.contains("\(member.name):"), "\(member.name)")
        check(member.members)
      }
    }
    check(ConfigurationLoader.outline)
  }

  /// The keys that a schema allows: `*` for names of the operator's choice, `[]` for items.
  private func outline(of schema: SourceNode, in root: SourceNode) -> [KeyOutline] {
    var result: [KeyOutline] = []
    for entry in schema.properties(in: root) {
      result.append(KeyOutline(name: entry.key, members: outline(of: entry.value, in: root)))
    }
    if let any = schema.member("additionalProperties") {
      let members = outline(of: any, in: root)
      if !members.isEmpty { result.append(KeyOutline(name: "*", members: members)) }
    }
    if let items = schema.member("items"), case .sequence(let forms) = items.member("anyOf")?.content {
      result.append(KeyOutline(name: "[]", members: forms.flatMap { outline(of: $0, in: root) }))
    }
    return result
  }

  private func sorted(_ outline: [KeyOutline]) -> [KeyOutline] {
    outline.map { KeyOutline(name: $0.name, members: sorted($0.members)) }.sorted { $0.name < $1.name }
  }

  /// A document that spells out every default; servers and TLS have none.
  private func defaults(of schema: SourceNode, in root: SourceNode) -> String {
    switch schema.member("default")?.content {
    case .scalar(let text): return "\"\(text)\""
    case .sequence(let items):
      let texts = items.compactMap { item in if case .scalar(let text) = item.content { "\"\(text)\"" } else { nil } }
      return "[\(texts.joined(separator: ", "))]"
    default: break
    }
    let members = schema.properties(in: root).filter { $0.key != "servers" && $0.key != "tls" }
    return "{" + members.map { "\"\($0.key)\": \(defaults(of: $0.value, in: root))" }.joined(separator: ", ") + "}"
  }
}

extension SourceNode {
  private var entries: [Entry] {
    if case .mapping(let entries) = content { entries } else { [] }
  }

  fileprivate func member(_ key: String) -> SourceNode? {
    entries.first { $0.key == key }?.value
  }

  /// Its own, or those of what it refers to (`#/$defs/pool`).
  fileprivate func properties(in root: SourceNode) -> [Entry] {
    if let properties = member("properties") { return properties.entries }
    guard case .scalar(let reference) = member("$ref")?.content,
      let definition = root.member("$defs")?.member(String(reference.dropFirst("#/$defs/".count)))
    else { return [] }
    return definition.properties(in: root)
  }
}
