import MCP
import Wire

/// An entry of a list as strict clients take it. The official SDKs refuse a whole list, and with it the entries of every
/// other server, for one entry that breaks the schema of the protocol (`Tool`, `Prompt` and their kind): a `null` where nothing
/// should be, an `inputSchema` that is no schema of an object, a prompt whose arguments are none.
///
/// What is optional and broken is taken out; what is required and has only one sensible value gets it. Everything else
/// keeps its bytes.
struct MendedEntry {
  /// The entry with its changes; nil if it is right as it is.
  private(set) var bytes: [UInt8]?
  /// The first thing that was wrong with it, for people; empty if nothing was.
  private(set) var fault = ""

  /// - Parameter raw: an object that has its identity.
  init(_ raw: RawSpan, kind: ListKind) {
    bytes = entry(raw, kind)
  }

  private mutating func note(_ member: StaticString, _ what: String) {
    if fault.isEmpty { fault = "`\(member)` \(what)" }
  }

  /// Takes a member out of its object.
  private mutating func drop(_ item: Member, _ value: RawSpan, _ member: StaticString, _ change: inout Change) {
    note(member, JSON.kind(of: value) == .null ? "is null" : "has the wrong form")
    change.removed.append(item)
  }

  // MARK: Entries

  private mutating func entry(_ raw: RawSpan, _ kind: ListKind) -> [UInt8]? {
    var change = Change()
    var hasName = kind == .tools || kind == .prompts
    var hasSchema = kind != .tools
    var uri = Slice(offset: 0, length: 0)
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let value = items.value(of: item)
      if items.key(of: item, is: kind.identityKey) {
        uri = item.value
      } else if kind == .tools, items.key(of: item, is: "inputSchema") {
        hasSchema = true
        change.replace(item.value, with: inputSchema(value))
      } else if JSON.kind(of: value) == .null {
        if let member = Self.known(items, item) { drop(item, value, member, &change) }
      } else if items.key(of: item, is: "name") {
        hasName = JSON.kind(of: value) == .string
        if !hasName { drop(item, value, "name", &change) }
      } else if let (member, isRight) = check(items, item, value, kind, &change), !isRight {
        drop(item, value, member, &change)
      }
    }
    if !hasSchema {
      note("inputSchema", "is missing")
      change.insert(#""inputSchema":{"type":"object"}"#)
    }
    if !hasName {
      note("name", "is missing")
      change.insert(#""name":"#, raw[uri])
    }
    return change.apply(to: raw)
  }

  /// Looks at a member that an entry may have. nil if it isn't known, or what it holds has been put right in `change`.
  private mutating func check(
    _ items: borrowing JSON.Items, _ item: Member, _ value: RawSpan, _ kind: ListKind, _ change: inout Change
  ) -> (member: StaticString, isRight: Bool)? {
    let form = JSON.kind(of: value)
    if items.key(of: item, is: "title") { return ("title", form == .string) }
    if items.key(of: item, is: "description") { return ("description", form == .string) }
    if items.key(of: item, is: "icons") { return ("icons", Self.areIcons(value)) }
    if items.key(of: item, is: "_meta") { return ("_meta", form == .object) }
    switch kind {
    case .tools:
      if items.key(of: item, is: "annotations") {
        guard form == .object else { return ("annotations", false) }
        change.replace(item.value, with: annotations(value, kind))
      } else if items.key(of: item, is: "outputSchema") {
        guard form == .object else { return ("outputSchema", false) }
        change.replace(item.value, with: schema(value, "outputSchema"))
      } else if items.key(of: item, is: "execution") {
        return ("execution", form == .object)
      }
    case .resources, .templates:
      if items.key(of: item, is: "mimeType") { return ("mimeType", form == .string) }
      if items.key(of: item, is: "size") { return ("size", form == .integer) }
      if items.key(of: item, is: "annotations") {
        guard form == .object else { return ("annotations", false) }
        change.replace(item.value, with: annotations(value, kind))
      }
    case .prompts:
      if items.key(of: item, is: "arguments") {
        guard form == .array else { return ("arguments", false) }
        change.replace(item.value, with: arguments(value))
      }
    }
    return nil
  }

  /// The name of a member that must not be null; nil for one that no revision knows.
  private static func known(_ items: borrowing JSON.Items, _ item: Member) -> StaticString? {
    let names: [StaticString] = [
      "title", "description", "annotations", "outputSchema", "arguments", "mimeType", "size", "icons", "_meta", "name",
      "execution",
    ]
    for name in names where items.key(of: item, is: name) { return name }
    return nil
  }

  // MARK: Schemas

  private mutating func inputSchema(_ raw: RawSpan) -> [UInt8]? {
    let form = JSON.kind(of: raw)
    guard form == .object else {
      note("inputSchema", form == .null ? "is null" : "is no object")
      return Array(#"{"type":"object"}"#.utf8)
    }
    return schema(raw, "inputSchema", mustBeObject: true)
  }

  /// The root of a JSON Schema; what lies deeper is for whoever validates by it.
  private mutating func schema(
    _ raw: RawSpan, _ member: StaticString, mustBeObject: Bool = false
  ) -> [UInt8]? {
    var change = Change()
    var hasType = !mustBeObject
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let value = items.value(of: item)
      let form = JSON.kind(of: value)
      if items.key(of: item, is: "type"), mustBeObject {
        hasType = true
        guard !JSON.isString(value, "object") else { continue }
        note(member, "is not of the type object")
        change.replace(item.value, with: Array("\"object\"".utf8))
      } else if items.key(of: item, is: "properties") {
        if form == .object { change.replace(item.value, with: properties(value, member)) }
        guard form != .object else { continue }
        note(member, "has `properties` that are none")
        change.removed.append(item)
      } else if items.key(of: item, is: "required") {
        guard !Self.holdsOnly(.string, value) else { continue }
        note(member, "has a `required` that is no list of names")
        change.removed.append(item)
      } else if form == .null, !items.key(of: item, is: "default"), !items.key(of: item, is: "const") {
        note(member, "has a member that is null")
        change.removed.append(item)
      }
    }
    if !hasType {
      note(member, "has no type")
      change.insert(#""type":"object""#)
    }
    return change.apply(to: raw)
  }

  /// JSON Schema has `true` and `false` as schemas, which not all clients know: each has an object that means the same.
  private mutating func properties(_ raw: RawSpan, _ member: StaticString) -> [UInt8]? {
    var change = Change()
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let form = JSON.kind(of: items.value(of: item))
      guard form != .object else { continue }
      note(member, "has a property whose schema is no object")
      change.replace(item.value, with: Array((form == .false ? #"{"not":{}}"# : "{}").utf8))
    }
    return change.apply(to: raw)
  }

  // MARK: Parts

  private mutating func annotations(_ raw: RawSpan, _ kind: ListKind) -> [UInt8]? {
    var change = Change()
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let value = items.value(of: item)
      let form = JSON.kind(of: value)
      let isRight: Bool
      if form == .null {
        isRight = false
      } else if kind == .tools {
        isRight =
          items.key(of: item, is: "title")
          ? form == .string : !Self.isHint(items, item) || form == .true || form == .false
      } else if items.key(of: item, is: "audience") {
        isRight = Self.isAudience(value)
      } else if items.key(of: item, is: "priority") {
        isRight = Double(value.text).map { (0...1).contains($0) } ?? false
      } else {
        isRight = !items.key(of: item, is: "lastModified") || form == .string
      }
      if !isRight { drop(item, value, "annotations", &change) }
    }
    return change.apply(to: raw)
  }

  private static func isHint(_ items: borrowing JSON.Items, _ item: Member) -> Bool {
    items.key(of: item, is: "readOnlyHint") || items.key(of: item, is: "destructiveHint")
      || items.key(of: item, is: "idempotentHint") || items.key(of: item, is: "openWorldHint")
  }

  /// An argument that has no name can't be given: it is left out.
  private mutating func arguments(_ raw: RawSpan) -> [UInt8]? {
    var mended = ByteBuffer()
    mended.append("[")
    var isChanged = false
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let value = items.value(of: item)
      guard JSON.kind(of: value) == .object, let name = JSON.find("name", in: value), JSON.kind(of: name) == .string
      else {
        note("arguments", "has an entry without a name")
        isChanged = true
        continue
      }
      if mended.count > 1 { mended.append(",") }
      if let argument = argument(value) {
        isChanged = true
        mended.append(argument)
      } else {
        mended.append(value)
      }
    }
    mended.append("]")
    return isChanged ? mended.bytes.array : nil
  }

  private mutating func argument(_ raw: RawSpan) -> [UInt8]? {
    var change = Change()
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let value = items.value(of: item)
      let form = JSON.kind(of: value)
      var isRight = form != .null
      if items.key(of: item, is: "description") || items.key(of: item, is: "title") { isRight = form == .string }
      if items.key(of: item, is: "required") { isRight = form == .true || form == .false }
      if !isRight { drop(item, value, "arguments", &change) }
    }
    return change.apply(to: raw)
  }

  private static func areIcons(_ raw: RawSpan) -> Bool {
    guard holdsOnly(.object, raw) else { return false }
    var icons = JSON.items(of: raw)
    while let icon = icons.next() {
      var hasSource = false
      var items = JSON.items(of: icons.value(of: icon))
      while let item = items.next() {
        let value = items.value(of: item)
        let form = JSON.kind(of: value)
        if items.key(of: item, is: "src") {
          guard form == .string else { return false }
          hasSource = true
        } else if items.key(of: item, is: "mimeType") {
          guard form == .string else { return false }
        } else if items.key(of: item, is: "sizes") {
          guard holdsOnly(.string, value) else { return false }
        } else if items.key(of: item, is: "theme") {
          guard JSON.isString(value, "light") || JSON.isString(value, "dark") else { return false }
        }
      }
      guard hasSource else { return false }
    }
    return true
  }

  private static func isAudience(_ raw: RawSpan) -> Bool {
    guard holdsOnly(.string, raw) else { return false }
    var items = JSON.items(of: raw)
    while let item = items.next() {
      let role = items.value(of: item)
      guard JSON.isString(role, "user") || JSON.isString(role, "assistant") else { return false }
    }
    return true
  }

  /// Whether a value is an array of such values.
  private static func holdsOnly(_ form: JSON.Kind, _ raw: RawSpan) -> Bool {
    guard JSON.kind(of: raw) == .array else { return false }
    var items = JSON.items(of: raw)
    while let item = items.next() {
      guard JSON.kind(of: items.value(of: item)) == form else { return false }
    }
    return true
  }

  /// What changes in one object; places count from its first byte.
  private struct Change {
    var removed: [Member] = []
    private var replaced: [(place: Slice, text: [UInt8])] = []
    private var inserted: [UInt8] = []

    /// Nil leaves the value as it is.
    mutating func replace(_ place: Slice, with text: [UInt8]?) {
      if let text { replaced.append((place, text)) }
    }

    /// A member for the front of the object.
    mutating func insert(_ member: StaticString, _ value: RawSpan = RawSpan()) {
      var text = ByteBuffer()
      if !inserted.isEmpty { text.append(",") }
      text.append(member)
      text.append(value)
      inserted += text.bytes.array
    }

    /// The changed object; nil if nothing changes.
    func apply(to object: RawSpan) -> [UInt8]? {
      guard !removed.isEmpty || !replaced.isEmpty || !inserted.isEmpty else { return nil }
      var splice = Splice()
      for (place, text) in replaced { splice.replace(place, with: text.rawBytes) }
      if !removed.isEmpty || !inserted.isEmpty {
        splice.edit(object: Slice(offset: 0, length: object.byteCount), removing: removed.span) { $0.append(inserted) }
      }
      var output = ByteBuffer(capacity: object.byteCount + 64)
      return splice.write(object, into: &output) ? output.bytes.array : nil
    }
  }
}
