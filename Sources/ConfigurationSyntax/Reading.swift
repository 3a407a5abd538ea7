/// What is carried along while one source (a file, the environment, the flags) is read into the configuration.
public struct Reading {
  public var diagnostics: [Diagnostic] = []
  public var substitution: Substitution
  /// The keys that lead to where the reader is, for messages: `listeners`, `http`, `port`.
  public var path: [String] = []
  /// Where each setting got its value, by its dotted path.
  public var settings: [String: SourcePosition] = [:]
  /// The keys of the whole document, to point from a misplaced key to where it belongs.
  public var outline: [KeyOutline] = []
  /// The directory that relative paths start from; empty: the gateway's own.
  public var directory = ""

  public init(substitution: Substitution, directory: String = "") {
    self.substitution = substitution
    self.directory = directory
  }

  public var dottedPath: String { path.joined(separator: ".") }

  public var home: String? { substitution.environment["HOME"] }

  public mutating func report(
    _ severity: Diagnostic.Severity = .error, at position: SourcePosition, _ message: String, expected: String? = nil,
    found: String? = nil, suggestion: String? = nil
  ) {
    diagnostics.append(
      Diagnostic(severity, at: position, message, expected: expected, found: found, suggestion: suggestion))
  }

  public mutating func mismatch(
    _ node: SourceNode, because reason: String? = nil, expected: String, suggestion: String? = nil
  ) {
    let subject = path.isEmpty ? "the document" : "`\(dottedPath)`"
    report(
      at: node.position, "\(subject) has the wrong form" + (reason.map { ": \($0)" } ?? ""), expected: expected,
      found: node.summary, suggestion: suggestion)
  }

  /// What `parse` makes of a text; nil after the mistake was told.
  mutating func parsed<Value>(
    _ text: Located<String>, expected: String, choices: [String] = [], _ parse: (String) throws(Unfit) -> Value?
  ) -> Value? {
    let shown = SourceNode(position: text.position, content: .scalar(text.value))
    do throws(Unfit) {
      if let value = try parse(text.value) { return value }
      mismatch(shown, expected: expected, suggestion: Suggestion.nearest(to: text.value, among: choices))
    } catch {
      mismatch(shown, because: error.reason, expected: expected, suggestion: error.suggestion)
    }
    return nil
  }

  /// The text of a scalar after substitution; anything else is a mistake.
  public mutating func text(_ node: SourceNode, expected: String = "a string") -> Located<String>? {
    guard case .scalar(let raw) = node.content else {
      mismatch(node, expected: expected)
      return nil
    }
    guard let text = substitution.expand(raw, at: node.position, into: &diagnostics) else { return nil }
    return Located(value: text, position: node.position, template: text == raw ? nil : raw)
  }

  /// The items of a list of strings; a lone string is a list of one.
  mutating func texts(_ node: SourceNode, expected: String = "a list of strings") -> [Located<String>] {
    switch node.content {
    case .sequence(let items): items.compactMap { text($0) }
    case .scalar: [text(node)].compactMap { $0 }
    case .null: []
    case .mapping:
      {
        mismatch(node, expected: expected)
        return []
      }()
    }
  }

  /// Names and strings, as in an environment; a name with nothing behind it is left out.
  public mutating func dictionary(_ node: SourceNode) -> [(name: Located<String>, value: Located<String>)] {
    guard case .mapping(let entries) = node.content else {
      if case .null = node.content { return [] }
      mismatch(node, expected: "a mapping of names to strings")
      return []
    }
    var result: [(name: Located<String>, value: Located<String>)] = []
    for entry in entries {
      path.append(entry.key)
      defer { path.removeLast() }
      if case .null = entry.value.content { continue }
      guard let value = text(entry.value) else { continue }
      result.append((Located(value: entry.key, position: entry.keyPosition), value))
    }
    return result
  }

  /// Reads a mapping key by key; keys that `fields` does not have are mistakes.
  public mutating func mapping<Root>(_ node: SourceNode, fields: [Field<Root>], into root: inout Root) {
    let entries: [SourceNode.Entry]
    switch node.content {
    case .null: return
    case .mapping(let found): entries = found
    case .scalar, .sequence:
      mismatch(node, expected: "a mapping with \(Self.list(fields.map(\.name)))")
      return
    }
    for entry in entries {
      guard let field = fields.first(where: { $0.name == entry.key }) else {
        unknown(entry, among: fields.map(\.name))
        continue
      }
      path.append(entry.key)
      defer { path.removeLast() }
      if !field.isActive { report(.warning, at: entry.keyPosition, "`\(dottedPath)` is not active yet") }
      if case .null = entry.value.content { continue }
      settings[dottedPath] = entry.value.position
      field.read(entry.value, &root, &self)
    }
  }

  private mutating func unknown(_ entry: SourceNode.Entry, among names: [String]) {
    let place = path.isEmpty ? "" : " in `\(dottedPath)`"
    let near = Suggestion.nearest(to: entry.key, among: names)
    let elsewhere = near == nil ? KeyOutline.path(to: entry.key, in: outline) : nil
    report(
      at: entry.keyPosition, "unknown key `\(entry.key)`\(place)",
      expected: near == nil && elsewhere == nil ? "one of \(Self.list(names))" : nil, suggestion: near ?? elsewhere)
  }

  public static func list(_ names: [String]) -> String {
    names.map { "`\($0)`" }.joined(separator: ", ")
  }
}

/// The names of the keys of a mapping and of what is under them.
public struct KeyOutline: Sendable, Equatable {
  /// A key; `*` where the operator picks the names, `[]` for the items of a list.
  public var name: String
  public var members: [KeyOutline]

  public init(name: String, members: [KeyOutline]) {
    self.name = name
    self.members = members
  }

  /// The dotted path of the only key of that name, nil when there is none or more than one.
  static func path(to name: String, in outline: [KeyOutline]) -> String? {
    var found: [String] = []
    func search(_ members: [KeyOutline], under prefix: String) {
      for member in members {
        let path = prefix.isEmpty ? member.name : "\(prefix).\(member.name)"
        if Suggestion.nearest(to: name, among: [member.name]) != nil { found.append(path) }
        search(member.members, under: path)
      }
    }
    search(outline, under: "")
    return found.count == 1 ? found[0] : nil
  }
}
