import ArgumentParser
import Bridge
import ConfigurationSyntax
import Dispatch
import Glibc
import Reactor

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reach an MCP URL from a client that only speaks stdio.",
    discussion: """
      Give the client this as the command of a server:

        sluice connect http://127.0.0.1:4001/mcp

      Messages come in on stdin and go out on stdout, one a line; remarks go to stderr. Clients of every revision are \
      carried, those that open with `initialize` in one session, those of 2026-07-28 without. When stdin ends, the calls \
      in flight are waited for and the session is ended.

      A client that starts before its gateway does, at login say, takes a server whose `initialize` fails for broken. So a \
      message waits for up to 30 s (--wait) until somebody listens there.

      The URL has to be a Streamable HTTP endpoint. By https, the server is checked against the system's roots, or against \
      those that --ca names.
      """)

  @Argument(help: "The endpoint, such as http://127.0.0.1:4001/mcp.")
  var url: String

  @Option(
    name: .customLong("header"), parsing: .singleValue,
    help: ArgumentHelp("A header to send with every request; may be repeated.", valueName: "name: value"))
  var headers: [String] = []

  @Option(
    help: """
      Seconds that a message waits for a gateway that is not there yet, or not at the moment: nothing is sent twice. \
      Once stdin has ended nothing waits.
      """)
  var wait = 30

  @Option(help: ArgumentHelp("Roots to trust instead of the system's, in a PEM file.", valueName: "file"))
  var ca: String?

  @Option(help: ArgumentHelp("A certificate to show, in a PEM file.", valueName: "file"))
  var cert: String?

  @Option(help: ArgumentHelp("Its key, in a PEM file.", valueName: "file"))
  var key: String?

  func validate() throws {
    guard (0...86_400).contains(wait) else { throw ValidationError("--wait is a number of seconds from 0 to 86400") }
  }

  func run() throws {
    let endpoint = try endpoint()
    let bridge = try Bridge(
      to: endpoint, trust: try trust(endpoint), headers: try fields(), patience: UInt64(wait) * 1000
    ) { StandardError.write("sluice: \($0)") }
    signal(SIGPIPE, SIG_IGN)
    // A client that is done sends SIGTERM a moment after it has closed stdin: the session is still to be ended.
    let sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        bridge.stop()
        // A client that does not read what is written to it keeps the bridge from hearing of it.
        DispatchQueue.global().asyncAfter(deadline: .now() + 3) { _exit(0) }
      }
      source.resume()
      return source
    }
    let isReached = bridge.run(reading: 0, writing: 1)
    withExtendedLifetime(sources) {}
    guard isReached else { throw ExitCode.failure }
  }

  private func endpoint() throws -> EndpointURL {
    let parsed: EndpointURL
    do throws(EndpointURL.Problem) {
      parsed = try EndpointURL(parsing: url)
    } catch {
      throw ValidationError("The URL can't be used: \(error.message).")
    }
    if parsed.scheme.isWebSocket {
      throw ValidationError("`connect` speaks Streamable HTTP; give it the http URL of the endpoint.")
    }
    return parsed
  }

  private func trust(_ endpoint: EndpointURL) throws -> TLSContext? {
    guard endpoint.scheme.isEncrypted else {
      if ca != nil || cert != nil || key != nil {
        throw ValidationError("--ca, --cert and --key have a meaning only for an https URL.")
      }
      return nil
    }
    do throws(TLSContext.Failure) {
      return try TLSContext(ca: ca, certificate: cert, key: key, verify: true)
    } catch {
      throw ValidationError("There can be no TLS: \(error).")
    }
  }

  private func fields() throws -> [(name: String, value: String)] {
    try headers.map { text in
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, HeaderForm.isName(String(parts[0])), HeaderForm.isValue(String(parts[1])) else {
        throw ValidationError("A header is written `Name: value`.")
      }
      guard !HeaderForm.managed.contains(parts[0].lowercased()) else {
        throw ValidationError("The header \(parts[0]) is set by `connect` itself.")
      }
      return (String(parts[0]), HeaderForm.trimmed(String(parts[1])))
    }
  }
}
