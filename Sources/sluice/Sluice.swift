import ArgumentParser
import MCP

@main
struct Sluice: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice",
    abstract: "An MCP gateway: many MCP servers behind one URL, for old clients and new ones.",
    discussion: """
      Serve what your client's file lists, and give the client one URL instead:

        sluice serve --mcp-config ~/.config/Claude/claude_desktop_config.json
        {"mcpServers": {"sluice": {"url": "http://127.0.0.1:4001/mcp"}}}

      Without any configuration `sluice serve` offers a built-in demonstration server.
      A client that only speaks stdio reaches any MCP URL through the bridge:

        {"mcpServers": {"sluice": {"command": "sluice", "args": ["connect", "http://127.0.0.1:4001/mcp"]}}}

      Exit codes: 0 fine, 1 it failed while running, 2 a mistake in a file, flag or variable.
      """,
    version: SluiceVersion.line,
    subcommands: [
      Serve.self, Check.self, Connect.self, Explain.self, VersionCommand.self, Healthcheck.self,
    ])

  /// The parser's own exit code for a mistake on the command line is 64; here every mistake of the operator is 2.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
      StandardError.write(fullMessage(for: error))
      exit(withError: ExitCode.mistake)
    }
  }
}
