import ArgumentParser
import MCP

extension SluiceVersion {
  static var line: String { "sluice \(current)" }
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version and the MCP revisions that are spoken.")

  func run() {
    print(SluiceVersion.line)
    print("MCP \(Revision.allCases.map { "\($0.label)" }.joined(separator: ", "))")
  }
}
