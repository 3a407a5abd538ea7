import ArgumentParser
import MCP
import Translation

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what an error means and what to do about it.",
    discussion: """
      Takes what an error has in `data.reason`:

        sluice explain circuit_open
      """)

  @Argument(help: "The reason; left out, all of them are listed.", completion: .list(ErrorReference.reasons))
  var reason: String?

  @Flag(help: "Print all of them as a page in Markdown.")
  var all = false

  func run() throws {
    if all { return print(ErrorReference.page, terminator: "") }
    guard let reason else { return print(ErrorReference.reasons.joined(separator: "\n")) }
    print(try explanation(of: reason), terminator: "")
  }

  func explanation(of reason: String) throws -> String {
    // As it may be seen in a log, or written in a hurry.
    let plain = reason.lowercased().replacing("-", with: "_")
    guard let kind = ErrorReference.kind(of: plain) else {
      throw ValidationError("\"\(reason)\" is the reason of no error; `sluice explain` lists them all.")
    }
    return ErrorReference.explanation(of: kind)
  }
}
