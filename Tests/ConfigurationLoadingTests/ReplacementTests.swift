import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite("A configuration that takes the place of one in force")
struct ReplacementTests {
  private static let served = "servers: {one: {url: 'http://localhost:1/mcp'}, two: {command: run}}"

  private func reload(_ yaml: String, replacing old: String, _ clients: [String: String] = [:]) -> [Diagnostic] {
    var inputs = ConfigurationInputs()
    inputs.file = "sluice.yaml"
    inputs.clientFiles = clients.keys.sorted()
    func read(_ text: String, _ running: GatewayConfiguration?) throws(ConfigurationError) -> LoadedConfiguration {
      let files = clients.merging(["sluice.yaml": text]) { $1 }
      return try ConfigurationLoader.load(inputs, environment: [:], files: .inMemory(files), replacing: running)
    }
    do throws(ConfigurationError) {
      _ = try read(yaml, try read(old, nil).configuration)
      return []
    } catch {
      return error.diagnostics.filter { $0.severity == .error }
    }
  }

  @Test("is none while its file is empty", arguments: ["", "\n", "\u{FEFF}", " \r\n\n"])
  func empty(text: String) {
    let mistakes = reload(text, replacing: Self.served)
    #expect(mistakes.map(\.message) == ["the file is empty, as while it is being written"])
    #expect(mistakes.first?.position.file == "sluice.yaml")
    #expect(mistakes.first?.expected?.contains("a SIGHUP once it is written") == true)
  }

  @Test("is none without a file that held settings alone")
  func settings() {
    let clients = ["mcp.json": #"{"mcpServers": {"one": {"command": "run"}}}"#]
    #expect(reload("", replacing: "limits: {body: 4KiB}", clients).map(\.position.file) == ["sluice.yaml"])
  }

  @Test(
    "is none where it names no server, and there were some",
    arguments: ["servers:", "servers: {}", "# soon", "workers: 2"])
  func serverless(text: String) {
    let mistakes = reload(text, replacing: Self.served)
    #expect(mistakes.map(\.message) == ["no server is named, where there were `one`, `two`"])
    #expect(mistakes.first?.expected?.contains("a restart to serve the built-in demonstration") == true)
  }

  @Test("is told with every file that could have named servers")
  func serverlessFiles() {
    let clients = ["mcp.json": #"{"mcpServers": {}}"#]
    #expect(reload("workers: 2", replacing: Self.served, clients).map(\.position.file) == ["sluice.yaml, mcp.json"])
  }

  @Test("has other mistakes told, and not what they lead to")
  func broken() {
    #expect(reload("servers: [", replacing: Self.served).count == 1)
    #expect(reload("workers: many", replacing: Self.served).count == 1)
  }

  @Test(
    "may be any other",
    arguments: [
      ("servers: {three: {command: run}}", served), ("servers: {one: {command: run, disabled: true}}", served),
      ("workers: 2", ""), ("", ""), ("", "servers:"),
    ])
  func fine(text: String, old: String) {
    #expect(reload(text, replacing: old) == [])
  }
}
