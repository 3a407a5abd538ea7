import Admin
import ArgumentParser
import Configuration
import Gateway
import Logging
import Reactor

struct Serve: ParsableCommand {
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

  @Flag(help: "Open /debug/echo on the MCP listener: a WebSocket that says back what it hears, for test suites.")
  var debugEcho = false

  func run() throws {
    let loaded = try options.load()
    for diagnostic in loaded.diagnostics where diagnostic.severity != .note {
      StandardError.write(diagnostic.description)
    }
    let code = try serve(loaded.configuration, debugEcho: debugEcho)
    if code != .success { throw code }
  }
}

/// Serves until a signal ends it.
/// - Returns: the exit code of the process.
func serve(_ configuration: GatewayConfiguration, debugEcho: Bool) throws -> ExitCode {
  let signals = Signals.block()
  var logger = Logger(label: "sluice") { _ in LogWriter(configuration.log) }
  logger.logLevel = Logger.Level(rawValue: configuration.log.level.rawValue) ?? .info
  let gateway: Gateway
  do {
    // The reaper must be forked before the first thread of ours.
    let reaper = try Reaper()
    gateway = try Gateway(configuration, debugEcho: debugEcho, reaper: reaper, logger: logger) { AdminServer($0) }
    try gateway.start()
  } catch let failure as Gateway.Failure {
    StandardError.write("sluice: \(failure)")
    return ExitCode(1)
  }
  Welcome(
    configuration, httpPort: gateway.httpPort, webSocketPort: gateway.webSocketPort, adminPort: gateway.adminPort
  ).print()
  let signal = signals.wait()
  logger.info("\(signal.name): draining")
  // A second signal means: now.
  return gateway.drain { signals.isPending } ? .success : ExitCode(1)
}
