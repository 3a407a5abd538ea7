import Configuration
import ConfigurationSyntax
import Glibc

/// Finds commands as starting them would find them.
public enum CommandLookup {
  /// A warning for each server whose command or working directory is not there: it may be installed later, so it is no
  /// mistake.
  public static func missing(
    in configuration: GatewayConfiguration, environment: [String: String], files: ConfigurationFiles = .system,
    isExecutable: (String) -> Bool = { access($0, X_OK) == 0 }
  ) -> [Diagnostic] {
    configuration.servers.flatMap { server -> [Diagnostic] in
      guard case .command(let command) = server.kind else { return [] }
      var found: [Diagnostic] = []
      let search = command.environment["PATH"] ?? environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
      if find(command.command, in: search, isExecutable: { isExecutable($0) && files.kind($0) != .directory }) == nil {
        let place = command.command.contains("/") ? "there" : "in PATH"
        found.append(
          Diagnostic(
            .warning, at: server.position, "the command `\(command.command)` of `\(server.alias)` is not \(place)",
            expected: "an executable file"))
      }
      if let directory = command.workingDirectory, files.kind(directory) != .directory {
        found.append(
          Diagnostic(
            .warning, at: server.position, "there is no directory \(directory) for `\(server.alias)` to start in",
            expected: "`cwd` with the path of a directory"))
      }
      return found
    }
  }

  /// The path of the file that a command names: itself if it has a slash, else the first match in `search`.
  static func find(_ command: String, in search: String, isExecutable: (String) -> Bool) -> String? {
    if command.contains("/") { return isExecutable(command) ? command : nil }
    for directory in search.split(separator: ":", omittingEmptySubsequences: false) {
      let path = directory.isEmpty ? "./\(command)" : "\(directory)/\(command)"
      if isExecutable(path) { return path }
    }
    return nil
  }
}
