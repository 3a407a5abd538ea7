/// Puts values into `${…}`, with the rules of the file it stands in.
public struct Substitution {
  public var syntax: Syntax
  public var environment: [String: String]

  public init(syntax: Syntax, environment: [String: String]) {
    self.syntax = syntax
    self.environment = environment
  }

  public enum Syntax {
    /// A flag or a variable: taken as it is.
    case verbatim
    /// `${VAR}`, `${VAR:-default}`, `$${` for a literal `${`; anything else after `${` is a mistake.
    case yaml
    /// The former, and the variables of VS Code and Cursor. What is none of them stays as it is, as clients leave it.
    case client(workspace: String)
  }

  /// The text with its values, or nil after the mistakes were collected.
  func expand(_ text: String, at position: SourcePosition, into diagnostics: inout [Diagnostic]) -> String? {
    if case .verbatim = syntax { return text }
    guard text.contains("${") else { return text }
    var result = ""
    var isWhole = true
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        result += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${") {
        let body = rest.dropFirst(2).prefix { $0 != "}" }
        let end = rest.index(rest.startIndex, offsetBy: 2 + body.count)
        let whole = end < rest.endIndex ? rest[...end] : rest
        switch end < rest.endIndex ? value(of: body) : .foreign {
        case .value(let value): result += value
        case .missing(let message, let expected):
          diagnostics.append(Diagnostic(.error, at: position, message, expected: expected))
          isWhole = false
        case .foreign:
          if case .yaml = syntax {
            diagnostics.append(
              Diagnostic(
                .error, at: position, "`\(whole)` can't be substituted",
                expected: "`${VAR}` or `${VAR:-default}`; `$${` stands for a literal `${`"))
            isWhole = false
          } else {
            diagnostics.append(
              Diagnostic(
                .warning, at: position,
                "`\(whole)` is taken as it stands: only the client it was written for can substitute it"
              ))
          }
          result += whole
        }
        rest = rest.dropFirst(whole.count)
      } else {
        result += "$"
        rest = rest.dropFirst()
      }
    }
    return isWhole ? result + rest : nil
  }

  private enum Outcome {
    case value(String)
    case missing(message: String, expected: String)
    case foreign
  }

  private func value(of body: Substring) -> Outcome {
    if case .client(let workspace) = syntax {
      if body.hasPrefix("env:") { return variable(body.dropFirst(4)) }
      if body.hasPrefix("input:") { return input(body.dropFirst(6)) }
      switch body {
      case "workspaceFolder": return .value(workspace)
      case "workspaceFolderBasename":
        return .value(String(workspace.split(separator: "/").last ?? workspace[...]))
      case "userHome": return variable("HOME")
      case "pathSeparator", "/": return .value("/")
      default: break
      }
    }
    return variable(body)
  }

  private func variable(_ body: Substring) -> Outcome {
    var name = body
    var fallback: Substring?
    if let separator = body.firstRange(of: ":-") {
      name = body[..<separator.lowerBound]
      fallback = body[separator.upperBound...]
      // The body ends at the first brace, so a default can't hold another substitution.
      if body[separator.upperBound...].contains("${") { return .foreign }
    }
    guard let first = name.utf8.first, isLetter(first), name.utf8.allSatisfy({ isLetter($0) || (48...57).contains($0) })
    else { return .foreign }
    let value = environment[String(name)]
    if let fallback { return .value(value.flatMap { $0.isEmpty ? nil : $0 } ?? String(fallback)) }
    if let value { return .value(value) }
    return .missing(
      message: "the environment variable \(name) is not set",
      expected: "\(name) in the environment, or a default: `${\(name):-…}`")
  }

  /// What VS Code asks the user for, a gateway reads from its environment.
  private func input(_ id: Substring) -> Outcome {
    let letters = id.utf8.map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 32
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
      default: UInt8(ascii: "_")
      }
    }
    let name = "SLUICE_INPUT_" + String(decoding: letters, as: UTF8.self)
    if let value = environment[name] { return .value(value) }
    return .missing(
      message: "nobody can be asked for the input `\(id)` here", expected: "its value in the environment as \(name)")
  }

  private func isLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
    default: false
    }
  }
}
