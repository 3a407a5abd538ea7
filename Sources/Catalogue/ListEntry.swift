import MCP
import Wire

/// One entry of a list as an upstream wrote it, and where in it the members lie that the gateway may have to change.
/// Places count from the entry's first byte.
struct ListEntry {
  /// The name of a tool or prompt, the URI of a resource, the URI template of a template: a string token.
  var identity: Slice
  var title: Member?
  var annotations: Member?
  var outputSchema: Member?
  var execution: Member?
  var inputSchema: Slice?

  /// Nil if it is no object or has no identity.
  init?(_ raw: RawSpan, kind: ListKind) {
    guard JSON.kind(of: raw) == .object else { return nil }
    var identity: Slice?
    var items = JSON.items(of: raw)
    while let item = items.next() {
      if items.key(of: item, is: kind.identityKey) {
        guard JSON.kind(of: items.value(of: item)) == .string else { return nil }
        identity = item.value
      } else if items.key(of: item, is: "title") {
        title = item
      } else if kind == .tools {
        if items.key(of: item, is: "annotations") {
          annotations = item
        } else if items.key(of: item, is: "outputSchema") {
          outputSchema = item
        } else if items.key(of: item, is: "execution") {
          execution = item
        } else if items.key(of: item, is: "inputSchema") {
          inputSchema = item.value
        }
      }
    }
    guard let identity, !items.isMalformed else { return nil }
    self.identity = identity
  }

  /// Whether results of the tool may be structured values that are no objects, which only the modern era has.
  func hasNonObjectOutput(_ raw: RawSpan) -> Bool {
    guard let outputSchema else { return false }
    return !JSON.isString(JSON.find("type", in: raw[outputSchema.value]), "object")
  }

  /// Whether the tool's own hints say that a call of it may be carried out twice (MCP 2025-11-25, schema: `ToolAnnotations`).
  func isRepeatable(_ raw: RawSpan) -> Bool {
    guard let annotations else { return false }
    return says("readOnlyHint", raw[annotations.value]) || says("idempotentHint", raw[annotations.value])
  }

  private func says(_ hint: StaticString, _ annotations: RawSpan) -> Bool {
    guard let value = JSON.find(hint, in: annotations) else { return false }
    return JSON.boolean(value) == true
  }

  /// Appends the entry in the shape of a revision class, under another identity if one is given (raw string contents). Line breaks between its members become spaces.
  func write(
    _ raw: RawSpan, kind: ListKind, for revisions: RevisionClass, identity renamed: RawSpan?, splice: inout Splice,
    into buffer: inout ByteBuffer
  ) {
    splice.reset()
    if let renamed {
      splice.replace(Slice(offset: identity.offset + 1, length: identity.length - 2), with: renamed)
    }
    var removed: [Member] = []
    var inserted = ByteBuffer()
    // Tasks are not relayed, so no tool may say that it wants one.
    if let execution { removed.append(execution) }
    if revisions < .structured, let outputSchema { removed.append(outputSchema) }
    if revisions == .structured, let outputSchema, hasNonObjectOutput(raw) { removed.append(outputSchema) }
    if revisions < .structured, let title {
      removed.append(title)
      if revisions == .annotated, kind == .tools { moveTitle(title, raw, splice: &splice, inserted: &inserted) }
    }
    if revisions == .first, let annotations { removed.append(annotations) }
    if !removed.isEmpty || !inserted.isEmpty {
      splice.edit(object: Slice(offset: 0, length: raw.byteCount), removing: removed.span) {
        $0.append(inserted.bytes)
      }
    }
    if !splice.write(raw, into: &buffer, flatten: true) { buffer.append(raw) }
  }

  /// 2025-03-26 has a title only among a tool's annotations.
  private func moveTitle(_ title: Member, _ raw: RawSpan, splice: inout Splice, inserted: inout ByteBuffer) {
    var text = ByteBuffer()
    text.append(#""title":"#)
    text.append(raw[title.value])
    guard let annotations, JSON.kind(of: raw[annotations.value]) == .object else {
      guard annotations == nil else { return }
      inserted.append(#""annotations":{"#)
      inserted.append(text.bytes)
      inserted.append("}")
      return
    }
    guard JSON.find("title", in: raw[annotations.value]) == nil else { return }
    splice.edit(object: annotations.value) { $0.append(text.bytes) }
  }
}

extension ListKind {
  var identityKey: StaticString {
    switch self {
    case .tools, .prompts: "name"
    case .resources: "uri"
    case .templates: "uriTemplate"
    }
  }
}

extension RevisionClass: Comparable {
  public static func < (a: RevisionClass, b: RevisionClass) -> Bool { a.rawValue < b.rawValue }
}
