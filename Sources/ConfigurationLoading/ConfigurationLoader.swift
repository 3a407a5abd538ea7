import Configuration
import ConfigurationSyntax

/// What the operator gave on the command line.
public struct ConfigurationInputs: Sendable, Equatable {
  /// `--config`; nil: `SLUICE_CONFIG`, else none.
  public var file: String?
  /// `--mcp-config`; empty: the paths in `SLUICE_MCP_CONFIG`, with colons between them.
  public var clientFiles: [String] = []
  /// `--mcp-json`; empty: `SLUICE_MCP_JSON`.
  public var clientTexts: [String] = []
  /// Flags that set one key each.
  public var overrides: [Override] = []
  /// The directory that relative paths start from, absolute; empty: leave them relative.
  public var currentDirectory = ""

  public init() {}

  public struct Override: Sendable, Equatable {
    /// The key, such as `listeners.http.port`.
    public var path: String
    /// How messages name the flag: `--port`.
    public var flag: String
    public var value: String

    public init(path: String, flag: String, value: String) {
      self.path = path
      self.flag = flag
      self.value = value
    }
  }
}

/// The configuration and what there is to say about it.
public struct LoadedConfiguration: Sendable, Equatable {
  public var configuration: GatewayConfiguration
  /// Warnings and notes.
  public var diagnostics: [Diagnostic]
  /// Servers that a file turns off.
  public var disabled: [Disabled]
  /// Where each setting that is not a default came from, by its key: `limits.body`; `listeners.http.tls` as a whole.
  public var settings: [String: SourcePosition]

  public struct Disabled: Sendable, Equatable {
    public var alias: String
    public var displayName: String
    public var position: SourcePosition
  }
}

/// Layers files, environment and flags over the defaults, in that order, and freezes the outcome.
public enum ConfigurationLoader {
  /// - Parameter running: what is in force, where this is to take its place without a restart. An empty file, or one without the
  ///   servers that are served, is a mistake then: it is what a file looks like while an editor writes it.
  /// - Throws: every mistake that was found, in the order of the layers.
  public static func load(
    _ inputs: ConfigurationInputs, environment: [String: String], files: ConfigurationFiles = .system,
    replacing running: GatewayConfiguration? = nil
  ) throws(ConfigurationError) -> LoadedConfiguration {
    var assembly = Assembly(inputs: inputs, environment: environment, files: files)
    assembly.readFile()
    assembly.readClientFiles()
    assembly.readEnvironment()
    assembly.readFlags()
    assembly.checkAcrossKeys()
    assembly.checkListenerFiles()
    assembly.remark(assembly.draft.configuration.trustRemarks)
    assembly.remark(assembly.draft.configuration.pathRemarks(files))
    assembly.checkExposure()
    assembly.freezeServers()
    if let running { assembly.checkReplacement(of: running) }
    return try assembly.finish()
  }

  /// The names of all keys of the YAML file.
  public static var outline: [KeyOutline] { Grammar.outline }
}

/// The layers while they are put on top of one another.
private struct Assembly {
  let inputs: ConfigurationInputs
  let environment: [String: String]
  let files: ConfigurationFiles

  var draft = Grammar.Draft()
  var diagnostics: [Diagnostic] = []
  var settings: [String: SourcePosition] = [:]
  var disabled: [LoadedConfiguration.Disabled] = []
  /// Files that were read, in their order, and whether there is nothing in them.
  private var read: [(file: String, isEmpty: Bool)] = []
  let leaves = Grammar.document.flatMap(\.leaves)

  init(inputs: ConfigurationInputs, environment: [String: String], files: ConfigurationFiles) {
    self.inputs = inputs
    self.environment = environment
    self.files = files
  }

  // MARK: Files

  mutating func readFile() {
    let variable = environment["SLUICE_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    guard let file = inputs.file ?? variable else { return }
    let source = inputs.file == nil ? "SLUICE_CONFIG" : "--config"
    guard let text = contents(of: file, namedBy: source) else { return }
    do throws(ConfigurationError) {
      let root = try YAMLDocument.parse(text, file: file)
      var reading = Reading(
        substitution: Substitution(syntax: .yaml, environment: environment), directory: directory(of: file))
      reading.outline = Grammar.outline
      reading.mapping(root, fields: Grammar.document, into: &draft)
      take(reading)
    } catch {
      diagnostics += error.diagnostics
    }
  }

  mutating func readClientFiles() {
    var paths = inputs.clientFiles
    var source = "--mcp-config"
    if paths.isEmpty, let variable = environment["SLUICE_MCP_CONFIG"] {
      paths = variable.split(separator: ":").map(String.init)
      source = "SLUICE_MCP_CONFIG"
    }
    for path in paths {
      guard let text = contents(of: path, namedBy: source) else { continue }
      draft.servers += ClientFile.read(
        text, file: path, directory: directory(of: path), environment: environment, into: &diagnostics)
    }
    var texts = inputs.clientTexts.map { (text: $0, name: "--mcp-json") }
    if texts.isEmpty, let variable = environment["SLUICE_MCP_JSON"], !variable.isEmpty {
      texts = [(variable, "SLUICE_MCP_JSON")]
    }
    for (text, name) in texts {
      draft.servers += ClientFile.read(
        text, file: name, directory: inputs.currentDirectory, environment: environment, into: &diagnostics)
    }
  }

  private mutating func contents(of path: String, namedBy source: String) -> String? {
    do throws(ConfigurationFiles.FileFault) {
      let bytes = try files.read(path)
      // Some editors put a byte order mark in front of a text.
      let text = bytes.starts(with: "\u{FEFF}".utf8) ? bytes.dropFirst(3) : bytes[...]
      read.append((path, text.allSatisfy { $0 == 0x20 || (0x09...0x0d).contains($0) }))
      if let text = String(validating: text, as: UTF8.self) { return text }
      diagnostics.append(.notUTF8(bytes, file: path))
    } catch {
      diagnostics.append(
        Diagnostic(
          .error, at: SourcePosition(file: path), "the file that \(source) names can't be read: \(error.reason)"))
    }
    return nil
  }

  private func directory(of path: String) -> String {
    FilePath.directory(of: FilePath.resolve(path, from: inputs.currentDirectory, home: nil))
  }

  // MARK: Environment and flags

  mutating func readEnvironment() {
    var reading = Reading(substitution: Substitution(syntax: .verbatim, environment: environment))
    for leaf in leaves {
      let names = [leaf.variable] + (Self.shortVariables[leaf.path.joined(separator: ".")].map { [$0] } ?? [])
      for name in names {
        guard let text = environment[name], !text.isEmpty else { continue }
        let position = SourcePosition(file: name)
        // Kubernetes sets SLUICE_PORT=tcp://10.0.0.1:4001 in every pod beside a service called sluice.
        if text.hasPrefix("tcp://") {
          reading.report(
            .warning, at: position, "taken for a variable that Kubernetes sets for a service, and passed over",
            found: "`\(text)`")
          continue
        }
        apply(leaf, text, at: position, with: &reading)
      }
    }
    warnAboutUnknownVariables(&reading)
    take(reading)
  }

  /// A variable with our prefix that means nothing to us is most likely a mistake; but Kubernetes sets some beside a
  /// service called sluice, and what starts the gateway may use others.
  private func warnAboutUnknownVariables(_ reading: inout Reading) {
    let known =
      leaves.map(\.variable) + Self.shortVariables.values
      + ["SLUICE_CONFIG", "SLUICE_MCP_CONFIG", "SLUICE_MCP_JSON"]
    for name in environment.keys.sorted() where name.hasPrefix("SLUICE_") && !known.contains(name) {
      guard !name.hasPrefix("SLUICE_INPUT_"), !Self.isOfService(name) else { continue }
      if Self.isOfTLS(name) {
        // Passed over, it would leave a listener without the TLS that was asked for.
        reading.report(
          at: SourcePosition(file: name), "certificates of a listener can't be given by a variable",
          expected: "`tls` in the file that --config names")
        continue
      }
      let near = Suggestion.nearest(to: name, among: known)
      reading.report(
        .warning, at: SourcePosition(file: name), "no such variable: it is passed over",
        expected: near == nil ? "the key's path, as in `SLUICE_LIMITS_BODY` for `limits.body`" : nil, suggestion: near)
    }
  }

  private static func isOfTLS(_ name: String) -> Bool {
    ["HTTP", "WEBSOCKET", "ADMIN"].contains { listener in
      let key = "SLUICE_LISTENERS_\(listener)_TLS"
      return name == key || name.hasPrefix("\(key)_")
    }
  }

  /// `SLUICE_SERVICE_HOST`, `SLUICE_SERVICE_PORT_HTTP`, `SLUICE_PORT_4001_TCP_ADDR` and their like.
  private static func isOfService(_ name: String) -> Bool {
    name.hasPrefix("SLUICE_SERVICE_") || name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
      || name.contains(#/_PORT_[0-9]+_(TCP|UDP|SCTP)/#)
  }

  mutating func readFlags() {
    var reading = Reading(substitution: Substitution(syntax: .verbatim, environment: environment))
    for flag in inputs.overrides {
      guard let leaf = leaves.first(where: { $0.path.joined(separator: ".") == flag.path }) else {
        reading.report(at: SourcePosition(file: flag.flag), "there is no key `\(flag.path)`")
        continue
      }
      apply(leaf, flag.value, at: SourcePosition(file: flag.flag), with: &reading)
    }
    take(reading)
  }

  private mutating func apply(
    _ leaf: Leaf<Grammar.Draft>, _ text: String, at position: SourcePosition, with reading: inout Reading
  ) {
    var node = SourceNode(position: position, content: .scalar(text))
    if leaf.isList {
      node.content = .sequence(
        text.split(separator: ",").map {
          SourceNode(position: position, content: .scalar(HeaderForm.trimmed(String($0))))
        })
    }
    reading.path = leaf.path
    reading.settings[reading.dottedPath] = position
    leaf.read(node, &draft, &reading)
  }

  /// Variables for what one wants to set most often, beside those that spell out the key.
  private static let shortVariables = [
    "listeners.http.host": "SLUICE_HOST", "listeners.http.port": "SLUICE_PORT",
    "listeners.websocket.host": "SLUICE_WEBSOCKET_HOST", "listeners.websocket.port": "SLUICE_WEBSOCKET_PORT",
    "listeners.admin.host": "SLUICE_ADMIN_HOST", "listeners.admin.port": "SLUICE_ADMIN_PORT",
  ]

  private mutating func take(_ reading: Reading) {
    diagnostics += reading.diagnostics
    settings.merge(reading.settings) { _, later in later }
  }

  // MARK: Checks

  mutating func checkAcrossKeys() {
    let configuration = draft.configuration
    report(configuration.clashes)
    report(configuration.clashes(configuration.pool, configuration.routing))
    let listeners = configuration.listeners
    checkPorts("http", listeners.http.host, listeners.http.port, "admin", listeners.admin.host, listeners.admin.port)
    checkPorts(
      "http", listeners.http.host, listeners.http.port, "websocket", listeners.webSocket.host, listeners.webSocket.port)
    checkPorts(
      "websocket", listeners.webSocket.host, listeners.webSocket.port, "admin", listeners.admin.host,
      listeners.admin.port)
  }

  private mutating func checkPorts(
    _ name: String, _ host: String, _ port: Int, _ other: String, _ otherHost: String, _ otherPort: Int
  ) {
    check(
      port != otherPort || port == 0 || host != otherHost,
      "`listeners.\(name)` and `listeners.\(other)` are both on port \(port)", "listeners.\(other).port",
      "listeners.\(name).port")
  }

  mutating func checkListenerFiles() {
    for (name, tls) in draft.configuration.listeners.encrypted {
      let position = settings["listeners.\(name).tls"] ?? SourcePosition(file: "listeners.\(name).tls")
      for file in tls.files {
        guard let obstacle = files.obstacle(toReading: file) else { continue }
        diagnostics.append(Diagnostic(.error, at: position, obstacle))
      }
    }
  }

  /// Who serves the world without asking who comes had better mean it.
  mutating func checkExposure() {
    let configuration = draft.configuration
    let readable = configuration.listeners.encrypted.map(\.name)
    for exposure in configuration.listeners.exposures() {
      let section = "listeners.\(exposure.listener)"
      // A `tls` with a mistake in it is told of already, and may be what asks for certificates.
      if settings["\(section).tls"] != nil, !readable.contains(exposure.listener) { continue }
      let position = settings["\(section).host"] ?? SourcePosition(file: "\(section).host")
      if configuration.allowUnauthenticated {
        diagnostics.append(Diagnostic(.warning, at: position, exposure.warning))
      } else {
        diagnostics.append(Diagnostic(.error, at: position, exposure.refusal, expected: Exposure.remedy))
      }
    }
  }

  /// - Parameter server: the path of the server whose sections these are of; only what its own say is told again.
  private mutating func report(_ clashes: [Clash], of server: String? = nil) {
    for clash in clashes where server.map({ clash.concerns($0, settings) }) ?? true {
      // A default that does not fit what was set gives way without a word.
      if clash.severity == .warning, !clash.isSet(settings, of: server) { continue }
      remark([clash.remark(settings, of: server)])
    }
  }

  private mutating func check(_ holds: Bool, _ complaint: String, _ keys: String...) {
    if !holds { remark([Remark(.error, keys, complaint)]) }
  }

  /// Places each remark at the first of its keys that was set at all: one of them was, for the defaults agree.
  mutating func remark(_ remarks: [Remark]) {
    for remark in remarks {
      let position = remark.keys.compactMap { settings[$0] }.first ?? SourcePosition(file: remark.keys[0])
      diagnostics.append(Diagnostic(remark.severity, at: position, remark.message, expected: remark.expected))
    }
  }

  mutating func freezeServers() {
    var reading = Reading(substitution: Substitution(syntax: .verbatim, environment: environment))
    reading.settings = settings
    var owners: [String: SourcePosition] = [:]
    for var server in draft.servers {
      if owners[server.alias] != nil, let spare = server.spareAlias { server.alias = spare }
      if Alias.reserved.contains(server.alias) {
        reading.report(
          at: server.position, "`\(server.alias)` can't be an alias: it is a path of the gateway's own",
          expected: "another name than \(Reading.list(Alias.reserved.sorted()))")
        continue
      }
      if server.isDisabled {
        disabled.append(.init(alias: server.alias, displayName: server.displayName, position: server.position))
        continue
      }
      if let first = owners[server.alias] {
        let name = server.displayName == server.alias ? "" : " (from the name `\(server.displayName)`)"
        reading.report(
          at: server.position, "there are two servers with the alias `\(server.alias)`\(name), the first at \(first)")
        continue
      }
      owners[server.alias] = server.position
      if server.displayName != server.alias {
        reading.report(
          .note, at: server.position, "the server `\(server.displayName)` goes by the alias `\(server.alias)`")
      }
      let tellsClientsApart = draft.configuration.listeners.tellClientsApart
      if var frozen = server.freeze(files: files, tellsClientsApart: tellsClientsApart, into: &reading) {
        settle(&frozen, as: server, &reading)
        draft.configuration.servers.append(frozen)
      }
    }
    draft.configuration.routing = draft.configuration.routing.settled
    if draft.configuration.servers.isEmpty, let first = disabled.first {
      reading.report(.warning, at: first.position, "every server is disabled: the built-in demonstration is served")
    }
    diagnostics += reading.diagnostics
  }

  /// What a server says of its own pool and routing goes before what is said for all.
  private mutating func settle(
    _ server: inout GatewayConfiguration.Server, as own: ServerDraft, _ reading: inout Reading
  ) {
    let general = draft.configuration
    server.pool = own.pool?.applied(to: general.pool) ?? general.pool
    server.routing = own.routing?.applied(to: general.routing) ?? general.routing
    report(general.clashes(server.pool, server.routing), of: "servers.\(server.alias)")
    server.routing = server.routing.settled
    own.checkEndpoints(of: server, into: &reading)
  }

  /// Who empties a file in order to write it must not have all servers replaced by the demonstration. That every server is
  /// disabled is said by somebody, and that nothing changes harms nobody.
  mutating func checkReplacement(of running: GatewayConfiguration) {
    guard draft.configuration != running else { return }
    let empty = read.filter(\.isEmpty)
    for (file, _) in empty {
      diagnostics.append(
        Diagnostic(
          .error, at: SourcePosition(file: file), "the file is empty, as while it is being written",
          expected: "a SIGHUP once it is written, or a restart to serve without it"))
    }
    guard !diagnostics.contains(where: { $0.severity == .error }) else { return }
    guard draft.servers.isEmpty, !running.servers.isEmpty else { return }
    // Any of them could have named the servers.
    let asked = read.isEmpty ? "servers" : read.map(\.file).joined(separator: ", ")
    diagnostics.append(
      Diagnostic(
        .error, at: SourcePosition(file: asked),
        "no server is named, where there were \(Reading.list(running.servers.map(\.alias)))",
        expected: "a SIGHUP once there are servers, or a restart to serve the built-in demonstration"))
  }

  func finish() throws(ConfigurationError) -> LoadedConfiguration {
    if diagnostics.contains(where: { $0.severity == .error }) { throw ConfigurationError(diagnostics: diagnostics) }
    let sections = draft.configuration.listeners.encrypted.map { "listeners.\($0.name).tls" }
    let names = Set(leaves.map { $0.path.joined(separator: ".") } + sections)
    return LoadedConfiguration(
      configuration: draft.configuration, diagnostics: diagnostics, disabled: disabled,
      settings: settings.filter { names.contains($0.key) })
  }
}
