import ArgumentParser
import Configuration
import Dispatch
import Glibc

struct Connect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reach an MCP URL from a client that only speaks stdio.",
    discussion: """
      Give the client this as the command of a server:

        sluice connect http://127.0.0.1:4001/mcp

      Messages come in on stdin and go out on stdout, one a line; remarks go to stderr. Clients of every revision are \
      carried, those that open with `initialize` in one session, those of 2026-07-28 without. When stdin ends, the calls \
      in flight are waited for and the session is ended.

      The URL has to be a Streamable HTTP endpoint, by http; https is not spoken here yet.
      """)

  @Argument(help: "The endpoint, such as http://127.0.0.1:4001/mcp.")
  var url: String

  @Option(
    name: .customLong("header"), parsing: .singleValue,
    help: ArgumentHelp("A header to send with every request; may be repeated.", valueName: "name: value"))
  var headers: [String] = []

  func run() throws {
    let bridge = ConnectBridge(to: try endpoint(), headers: try fields(), output: ConnectOutput(descriptor: 1))
    signal(SIGPIPE, SIG_IGN)
    // A client that is done sends SIGTERM a moment after it has closed stdin: the session is still to be ended.
    let sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        bridge.close()
        _exit(0)
      }
      source.resume()
      return source
    }
    let isReached = bridge.run(reading: 0)
    withExtendedLifetime(sources) { bridge.close() }
    guard isReached else { throw ExitCode.failure }
  }

  private func endpoint() throws -> EndpointURL {
    let parsed: EndpointURL
    do throws(EndpointURL.Problem) {
      parsed = try EndpointURL(parsing: url)
    } catch {
      throw ValidationError("The URL can't be used: \(error.message).")
    }
    if parsed.scheme.isEncrypted {
      throw ValidationError("`connect` speaks only http so far, not \(parsed.scheme.rawValue).")
    }
    if parsed.scheme.isWebSocket {
      throw ValidationError("`connect` speaks Streamable HTTP; give it the http URL of the endpoint.")
    }
    return parsed
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
