import Configuration
import ConfigurationSyntax

/// A section of one server that goes before the general section of that name, key by key. What that says in the end is known
/// once variables and flags are read, which is after the files.
struct SectionOverride<Section> {
  private let node: SourceNode
  private let fields: [Field<Section>]
  /// What it is read with, as of where it stands.
  private let reading: Reading

  /// Reads it at once, for what there is to say about it.
  init(_ node: SourceNode, _ fields: [Field<Section>], over section: Section, _ reading: inout Reading) {
    self.node = node
    self.fields = fields
    self.reading = reading
    var unused = section
    reading.mapping(node, fields: fields, into: &unused)
  }

  func applied(to general: Section) -> Section {
    var section = general
    var reading = reading
    reading.mapping(node, fields: fields, into: &section)
    return section
  }
}
