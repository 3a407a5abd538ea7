import Configuration
import ConfigurationSyntax

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
    guard !entry.key.allSatisfy(\.isWhitespace) else {
      reading.report(at: entry.keyPosition, "a server without a name", expected: "a name, of any characters")
      return nil
    }
    var draft = ServerDraft()
    draft.alias = Alias.made(of: entry.key)
    // What is left of a name in another script may be the same of two of them.
    if !entry.key.utf8.allSatisfy({ $0 < 0x80 }) { draft.spareAlias = Alias.digested(entry.key) }
    draft.displayName = entry.key
    draft.position = entry.keyPosition
    draft.directory = reading.directory
    draft.isDisabled = members.contains { isOff($0) }
    // A server that is turned off may refer to inputs that nobody gives.
    if !draft.isDisabled { fill(&draft, from: members, into: &reading) }
    return draft
  }

  /// Whether a member turns its server off.
  private static func isOff(_ member: SourceNode.Entry) -> Bool {
    switch canonical(member.key) {
    case "disabled": member.value.isTrue
    case "enabled": member.value.isFalse
    default: false
    }
  }

  private static func fill(_ draft: inout ServerDraft, from members: [SourceNode.Entry], into reading: inout Reading) {
    for member in members {
      let known = canonical(member.key)
      // What a switch that is ours to read does not say is passed over like what is not ours at all.
      let isOther = known == "enabled" && !member.value.isTrue && !member.value.isFalse
      guard let key = known, !isOther else {
        draft.unknown.append(member.key)
        reading.report(.note, at: member.keyPosition, "`\(member.key)` of `\(draft.alias)` is passed over")
        continue
      }
      reading.path.append(member.key)
      defer { reading.path.removeLast() }
      if case .null = member.value.content { continue }
      switch key {
      case "enabled": continue
      case "disabled":
        if member.value.isFalse { continue }
        reading.mismatch(member.value, expected: "`true` or `false`")
        continue
      case "url":
        takeURL(member, into: &draft, &reading)
        continue
      default: draft.places[key] = member.keyPosition
      }
      switch key {
      case "command": draft.command = reading.text(member.value)
      case "args": draft.arguments = reading.arguments(member.value)
      case "env": draft.environment = reading.dictionary(member.value)
      case "env_file": draft.environmentFile = reading.text(member.value)
      case "cwd": draft.workingDirectory = reading.text(member.value)
      case "headers": draft.headers = reading.dictionary(member.value)
      case "type": draft.transport = transport(member.value, into: &reading)
      default: break
      }
    }
    if draft.transport == nil { draft.transport = draft.urlTransport.map { .remote($0) } }
    dropEmptyExtras(&draft)
  }

  /// A member may say by its name how the server there is spoken to. Of several that of Streamable HTTP counts, as for the
  /// clients that write it beside `url` for HTTP+SSE, then `url`.
  private static func takeURL(
    _ member: SourceNode.Entry, into draft: inout ServerDraft, _ reading: inout Reading
  ) {
    let rank: Int
    var transport: GatewayConfiguration.Remote.Transport?
    switch plain(member.key) {
    case "httpurl", "streamablehttpurl": (rank, transport) = (3, .http)
    case "url", "serverurl": rank = 2
    case "sseurl": (rank, transport) = (1, .sse)
    case "wsurl", "websocketurl": (rank, transport) = (1, .webSocket)
    default: rank = 1
    }
    guard rank > draft.urlRank, let url = reading.text(member.value) else { return }
    // Some write out what is not used.
    if url.value.isEmpty, rank != 2 { return }
    draft.url = url
    draft.urlRank = rank
    draft.urlTransport = transport
    draft.places["url"] = member.keyPosition
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

  /// The YAML key that a member stands for; nil for one that means nothing here.
  private static func canonical(_ member: String) -> String? { spellings[plain(member)] }

  /// `httpUrl`, `http_url` and `HTTP-URL` are the same.
  private static func plain(_ member: String) -> String {
    String(member.lowercased().filter { $0 != "_" && $0 != "-" })
  }

  /// The members that are read, by the names of the YAML keys that they stand for, but for `enabled`, which clients have
  /// where Sluice has `disabled`.
  private static let spellings = [
    "command": "command", "args": "args", "env": "env", "environment": "env", "cwd": "cwd", "workingdirectory": "cwd",
    "envfile": "env_file", "url": "url", "serverurl": "url", "httpurl": "url", "streamablehttpurl": "url",
    "sseurl": "url", "wsurl": "url", "websocketurl": "url", "baseurl": "url", "uri": "url", "type": "type",
    "transport": "type", "transporttype": "type", "headers": "headers", "httpheaders": "headers",
    "disabled": "disabled", "isdisabled": "disabled", "enabled": "enabled", "isenabled": "enabled",
    "active": "enabled", "isactive": "enabled",
  ]
}
