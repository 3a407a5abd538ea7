import ArgumentParser
import Bridge
import Configuration
import ConfigurationSyntax
import Glibc
import Reactor

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
    // Whether the gateway may serve whom it serves is not asked here, and it was perhaps told so by a flag.
    var options = options
    options.allowUnauthenticated = true
    let admin = try options.load().configuration.listeners.admin
    let target = ready ? "/readyz" : "/healthz"
    let url = EndpointURL(
      scheme: admin.tls == nil ? .http : .https, host: Authority.reachable(admin.host), port: admin.port, target: target
    )
    signal(SIGPIPE, SIG_IGN)
    let failure: String
    do {
      // Not verified: it is asked at this machine's own address, for which its certificate need not be.
      let trust = admin.tls == nil ? nil : try TLSContext(ca: nil, certificate: nil, key: nil, verify: false)
      let status = try HTTPProbe.status(of: url, trust: trust, within: 3000)
      if status == 200 { return }
      failure = " answered \(status)"
    } catch {
      failure = ": \(error)"
    }
    StandardError.write("sluice: \(url)\(failure)")
    throw ExitCode.failure
  }
}
