import ArgumentParser
import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Glibc
import Lifecycle

/// The flags that say what is served, the same for `serve`, `check` and `healthcheck`.
struct ConfigurationOptions: ParsableArguments {
  @Option(
    name: .customLong("config"), help: ArgumentHelp("Sluice's own YAML file. [SLUICE_CONFIG]", valueName: "file"))
  var file: String?

  @Option(
    name: .customLong("mcp-config"), parsing: .singleValue,
    help: ArgumentHelp(
      "A file of Claude Desktop, Claude Code, VS Code or Cursor, as it is; may be repeated. [SLUICE_MCP_CONFIG]",
      valueName: "file"))
  var clientFiles: [String] = []

  @Option(
    name: .customLong("mcp-json"), parsing: .singleValue,
    help: ArgumentHelp("The text of such a file; may be repeated. [SLUICE_MCP_JSON]", valueName: "json"))
  var clientTexts: [String] = []

  @Option(help: ArgumentHelp("Address to serve MCP on, default 127.0.0.1. [SLUICE_HOST]", valueName: "address"))
  var host: String?

  @Option(help: ArgumentHelp("Port to serve MCP on, default 4001; 0 for any. [SLUICE_PORT]", valueName: "port"))
  var port: String?

  @Option(help: ArgumentHelp("Number of event loops, default one per CPU. [SLUICE_WORKERS]", valueName: "n"))
  var workers: String?

  @Option(
    help: ArgumentHelp(
      "Address of the WebSocket listener, default 127.0.0.1. [SLUICE_WEBSOCKET_HOST]", valueName: "address"))
  var websocketHost: String?

  @Option(
    help: ArgumentHelp("Port of the WebSocket listener, default 4002. [SLUICE_WEBSOCKET_PORT]", valueName: "port"))
  var websocketPort: String?

  @Option(
    help: ArgumentHelp("Address of the admin listener, default 127.0.0.1. [SLUICE_ADMIN_HOST]", valueName: "address"))
  var adminHost: String?

  @Option(help: ArgumentHelp("Port of the admin listener, default 4003. [SLUICE_ADMIN_PORT]", valueName: "port"))
  var adminPort: String?

  @Option(
    help: ArgumentHelp(
      "When names carry their server's alias: conditional, always or never. [SLUICE_PREFIX]", valueName: "when"))
  var prefix: String?

  @Option(
    help: ArgumentHelp(
      "trace, debug, info, notice, warning, error or critical. [SLUICE_LOG_LEVEL]", valueName: "level"))
  var logLevel: String?

  @Option(help: ArgumentHelp("text or json. [SLUICE_LOG_FORMAT]", valueName: "format"))
  var logFormat: String?

  @Flag(
    help: ArgumentHelp(
      "Listen beyond this machine even where nobody is asked for a certificate. [SLUICE_ALLOW_UNAUTHENTICATED]"))
  var allowUnauthenticated = false

  var inputs: ConfigurationInputs {
    var inputs = ConfigurationInputs()
    inputs.file = file
    inputs.clientFiles = clientFiles
    inputs.clientTexts = clientTexts
    inputs.currentDirectory = Self.currentDirectory
    let flags: [(flag: String, path: String, value: String?)] = [
      ("--host", "listeners.http.host", host), ("--port", "listeners.http.port", port),
      ("--workers", "workers", workers),
      ("--websocket-host", "listeners.websocket.host", websocketHost),
      ("--websocket-port", "listeners.websocket.port", websocketPort),
      ("--admin-host", "listeners.admin.host", adminHost), ("--admin-port", "listeners.admin.port", adminPort),
      ("--prefix", "prefix", prefix), ("--log-level", "log.level", logLevel), ("--log-format", "log.format", logFormat),
      ("--allow-unauthenticated", "allow_unauthenticated", allowUnauthenticated ? "true" : nil),
    ]
    inputs.overrides = flags.compactMap { flag, path, value in
      value.map { ConfigurationInputs.Override(path: path, flag: flag, value: $0) }
    }
    return inputs
  }

  /// Loads what the flags, the environment and the files say, or prints every mistake and ends with exit code 2.
  func load() throws -> LoadedConfiguration {
    do throws(ConfigurationError) {
      return try ConfigurationLoader.load(inputs, environment: Self.environment)
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity != .note {
        StandardError.write(diagnostic.description)
      }
      throw ExitCode.mistake
    }
  }

  /// The same for who is about to serve, so that a certificate or a secret that can't be used is a mistake like any other.
  func loadWithFiles() throws -> LoadedConfiguration {
    var loaded = try load()
    let mistakes = Self.judgeFiles(of: &loaded)
    for mistake in mistakes { StandardError.write(mistake.description) }
    guard mistakes.isEmpty else { throw ExitCode.mistake }
    return loaded
  }

  /// Reads the files that are needed to serve. Gives what is wrong with them; warnings go to the others.
  static func judgeFiles(of loaded: inout LoadedConfiguration) -> [Diagnostic] {
    let secrets = loaded.secretRemarks()
    loaded.diagnostics += secrets.filter { $0.severity != .error }
    return CertificateMistakes.find(in: loaded) + secrets.filter { $0.severity == .error }
  }

  /// The variables of this process; the first of two with one name counts, as in `getenv`.
  static var environment: [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "="), variables[String(text[..<equals])] == nil {
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      next += 1
    }
    return variables
  }

  private static var currentDirectory: String {
    guard let path = getcwd(nil, 0) else { return "" }
    defer { free(path) }
    return String(cString: path)
  }
}
