import ArgumentParser

/// Which Sluice this is.
enum Version {
  static let number = "0.1.0"

  static var text: String { "sluice \(number)" }

  /// The revisions of MCP that clients may speak, oldest first.
  static let revisions = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version and the MCP revisions that are spoken.")

  func run() {
    print(Version.text)
    print("MCP \(Version.revisions.joined(separator: ", "))")
  }
}
