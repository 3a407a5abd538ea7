import ArgumentParser
import Configuration

struct Healthcheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a running gateway whether it is well; for containers and supervisors.",
    discussion: """
      Asks the admin listener for /healthz, or for /readyz with --ready. The address is that of the configuration that \
      `serve` would take. Ends with 0 if the answer is 200, else with 1 and a line that says why.

        sluice healthcheck
        sluice healthcheck --ready --admin-port 9003
      """)

  @OptionGroup var options: ConfigurationOptions

  @Flag(help: "Ask whether it can serve already (/readyz).")
  var ready = false

  func run() throws {
    let admin = try options.load().configuration.listeners.admin
    let target = ready ? "/readyz" : "/healthz"
    let url = EndpointURL(scheme: .http, host: Self.reachable(admin.host), port: admin.port, target: target)
    do throws(HTTPFault) {
      var connection = try HTTPConnection(to: url, timeout: 3)
      try connection.send(method: "GET", target: target, headers: [("Accept", "*/*")], body: nil)
      let head = try connection.readHead()
      guard head.status == 200 else {
        StandardError.write("sluice: \(url) answered \(head.status)")
        throw HTTPFault.status(head.status)
      }
    } catch {
      if case .status = error {} else { StandardError.write("sluice: \(url): \(error)") }
      throw ExitCode.failure
    }
  }

  /// A wildcard address is reached through loopback.
  private static func reachable(_ host: String) -> String {
    switch host {
    case "0.0.0.0": "127.0.0.1"
    case "::": "::1"
    default: host
    }
  }
}
