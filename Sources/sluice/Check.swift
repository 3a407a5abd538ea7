import ArgumentParser
import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Gateway

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the configuration and print what would be served.",
    discussion: """
      Takes the same flags and variables as `serve`. Certificates and the file of secrets are read; nothing is started and \
      nothing is connected to.

        sluice check --config sluice.yaml --mcp-config mcp.json
        sluice check --example > sluice.yaml
        sluice check --schema > sluice.schema.json

      Ends with 0, or with 2 after it printed every mistake with its file, line and column.
      """)

  @OptionGroup var options: ConfigurationOptions

  @Flag(help: "Print the outcome, mistakes included, as one JSON object.")
  var json = false

  @Flag(help: "Print the JSON Schema of the YAML file, for editors.")
  var schema = false

  @Flag(help: "Print a YAML file with every key, its default and what it means.")
  var example = false

  func run() throws {
    if schema { return print(PublishedFiles.schema, terminator: "") }
    if example { return print(PublishedFiles.example, terminator: "") }
    let outcome = try outcome(ConfigurationOptions.environment)
    print(outcome.text)
    guard outcome.isServable else { throw ExitCode.mistake }
  }

  /// What is printed, and whether it can be served. Without `--json` mistakes have been printed when this throws.
  func outcome(_ environment: [String: String]) throws -> (text: String, isServable: Bool) {
    var loaded: LoadedConfiguration
    if json {
      do throws(ConfigurationError) {
        loaded = try ConfigurationLoader.load(options.inputs, environment: environment)
      } catch {
        return (try CheckReport(mistakes: error.diagnostics).json(), false)
      }
      let mistakes = ConfigurationOptions.judgeFiles(of: &loaded)
      guard mistakes.isEmpty else { return (try CheckReport(mistakes: mistakes).json(), false) }
    } else {
      loaded = try options.loadWithFiles()
    }
    var report = CheckReport(loaded.configuration)
    report.add(loaded)
    let missing = CommandLookup.missing(in: loaded.configuration, environment: environment)
    report.diagnostics += missing.map(CheckReport.Remark.init)
    return (json ? try report.json() : report.text, true)
  }
}
