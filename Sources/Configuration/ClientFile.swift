/// Reads the servers out of a client's own file, in the spellings of Claude Desktop, Claude Code, VS Code and Cursor.
///
/// Such a file belongs to the client: what Sluice does not know in it is passed over with a note, never a mistake.
enum ClientFile {
  /// - Parameters:
  ///   - file: the path, or `--mcp-json` for text given on the command line.
  ///   - directory: the directory that the file is in; relative paths and `${workspaceFolder}` start from there.
  static func read(
    _ text: String, file: String, directory: String, environment: [String: String], into diagnostics: inout [Diagnostic]
  ) -> [ServerDraft] {
    let root: SourceNode
    do throws(ConfigurationError) {
      root = try JSONDocument.parse(text, file: file)
    } catch {
      diagnostics += error.diagnostics
      return []
    }
    let workspace = workspace(for: directory)
    var reading = Reading(
      substitution: Substitution(syntax: .client(workspace: workspace), environment: environment), directory: workspace)
    defer { diagnostics += reading.diagnostics }
    guard case .mapping(let members) = root.content else {
      reading.report(
        at: root.position, "not a client's file", expected: "an object with `mcpServers` or `servers`",
        found: root.summary)
      return []
    }
    let sections = sections(of: members)
    if sections.isEmpty {
      let near = members.lazy.compactMap { Suggestion.nearest(to: $0.key, among: ["mcpServers", "servers"]) }.first
      reading.report(
        at: root.position, "no servers in this file", expected: "an object with `mcpServers` or `servers`",
        suggestion: near)
    }
    return sections.flatMap { servers($0, into: &reading) }
  }

  /// `mcpServers`, `servers`, or `mcp.servers` as in the settings of VS Code.
  private static func sections(of members: [SourceNode.Entry]) -> [SourceNode.Entry] {
    members.flatMap { member -> [SourceNode.Entry] in
      switch (member.key, member.value.content) {
      case ("mcpServers", _), ("servers", _): [member]
      case ("mcp", .mapping(let inner)): inner.filter { $0.key == "servers" || $0.key == "mcpServers" }
      default: []
      }
    }
  }

  /// A file in `.vscode` or `.cursor` speaks of the folder around it.
  private static func workspace(for directory: String) -> String {
    let parts = directory.split(separator: "/")
    guard let last = parts.last, last == ".vscode" || last == ".cursor" else { return directory }
    return FilePath.directory(of: directory)
  }

  private static func servers(_ section: SourceNode.Entry, into reading: inout Reading) -> [ServerDraft] {
    reading.path = [section.key]
    defer { reading.path = [] }
    guard case .mapping(let entries) = section.value.content else {
      if case .null = section.value.content { return [] }
      reading.mismatch(section.value, expected: "an object of names and servers")
      return []
    }
    return entries.compactMap { server($0, into: &reading) }
  }

  private static func server(_ entry: SourceNode.Entry, into reading: inout Reading) -> ServerDraft? {
    reading.path.append(entry.key)
    defer { reading.path.removeLast() }
    guard case .mapping(let members) = entry.value.content else {
      reading.mismatch(entry.value, expected: "an object with `command` or `url`")
      return nil
    }
    guard let alias = Alias.isWellFormed(entry.key) ? entry.key : Alias.slug(entry.key) else {
      reading.report(
        at: entry.keyPosition, "nothing of the name `\(entry.key)` can be an alias", expected: Alias.form)
      return nil
    }
    var draft = ServerDraft()
    draft.alias = alias
    draft.displayName = entry.key
    draft.position = entry.keyPosition
    draft.directory = reading.directory
    draft.isDisabled = members.contains { $0.key == "disabled" && $0.value.isTrue }
    // A server that is turned off may refer to inputs that nobody gives.
    if !draft.isDisabled { fill(&draft, from: members, into: &reading) }
    return draft
  }

  private static func fill(_ draft: inout ServerDraft, from members: [SourceNode.Entry], into reading: inout Reading) {
    for member in members {
      guard let key = canonical[member.key] else {
        reading.report(.note, at: member.keyPosition, "`\(member.key)` of `\(draft.alias)` is passed over")
        continue
      }
      reading.path.append(member.key)
      defer { reading.path.removeLast() }
      if case .null = member.value.content { continue }
      draft.places[key] = member.keyPosition
      switch key {
      case "command": draft.command = reading.text(member.value)
      case "args": draft.arguments = reading.arguments(member.value)
      case "env": draft.environment = reading.dictionary(member.value)
      case "env_file": draft.environmentFile = reading.text(member.value)
      case "cwd": draft.workingDirectory = reading.text(member.value)
      case "url": draft.url = reading.text(member.value)
      case "headers": draft.headers = reading.dictionary(member.value)
      case "type": draft.transport = transport(member.value, into: &reading)
      case "disabled":
        if case .scalar("false") = member.value.content { break }
        reading.mismatch(member.value, expected: "`true` or `false`")
      default: break
      }
    }
    dropEmptyExtras(&draft)
  }

  /// Clients write out members that mean nothing, such as `"args": []` beside a url; only filled ones are mistakes.
  private static func dropEmptyExtras(_ draft: inout ServerDraft) {
    if draft.arguments.isEmpty { draft.places["args"] = nil }
    if draft.environment.isEmpty { draft.places["env"] = nil }
    if draft.headers.isEmpty { draft.places["headers"] = nil }
  }

  private static func transport(_ node: SourceNode, into reading: inout Reading) -> ServerDraft.TransportName? {
    guard let text = reading.text(node) else { return nil }
    if let transport = ServerDraft.TransportName(spelling: text.value) { return transport }
    reading.mismatch(
      node, expected: "one of \(Reading.list(ServerDraft.TransportName.choices))",
      suggestion: Suggestion.nearest(to: text.value, among: ServerDraft.TransportName.choices))
    return nil
  }

  /// The members that are read, by the names of the YAML keys that they stand for.
  private static let canonical = [
    "command": "command", "args": "args", "env": "env", "cwd": "cwd", "envFile": "env_file", "url": "url",
    "serverUrl": "url", "type": "type", "transport": "type", "transportType": "type", "headers": "headers",
    "disabled": "disabled",
  ]
}
