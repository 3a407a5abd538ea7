/// The `KEY=value` lines of a file that `envFile` names.
enum EnvironmentFile {
  /// Blank lines and lines that start with `#` are skipped, `export ` before a name is taken. A value is taken as it is
  /// up to a ` #`; in single quotes literally; in double quotes with `\n`, `\r`, `\t`, `\"` and `\\`.
  static func parse(_ text: String, file: String, into diagnostics: inout [Diagnostic]) -> [String: String] {
    var variables: [String: String] = [:]
    for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      var line = trimmed(raw)
      if line.isEmpty || line.first == "#" { continue }
      if line.hasPrefix("export ") { line = trimmed(line.dropFirst(7)) }
      guard let equals = line.firstIndex(of: "=") else {
        diagnostics.append(
          Diagnostic(
            .error, at: SourcePosition(file: file, line: index + 1, column: 1), "not a line of an environment file",
            expected: "`NAME=value`, a comment or a blank line"))
        continue
      }
      let name = trimmed(line[..<equals])
      guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
        diagnostics.append(
          Diagnostic(
            .error, at: SourcePosition(file: file, line: index + 1, column: 1), "not the name of a variable",
            expected: "`NAME=value`"))
        continue
      }
      guard let value = value(trimmed(line[line.index(after: equals)...])) else {
        diagnostics.append(
          Diagnostic(
            .error, at: SourcePosition(file: file, line: index + 1, column: 1), "a quote that does not end on its line")
        )
        continue
      }
      variables[String(name)] = value
    }
    return variables
  }

  private static func value(_ text: Substring) -> String? {
    guard let quote = text.first, quote == "\"" || quote == "'" else {
      guard let comment = text.firstRange(of: " #") else { return String(text) }
      return String(trimmed(text[..<comment.lowerBound]))
    }
    var result = ""
    var rest = text.dropFirst()
    while let character = rest.popFirst() {
      if character == quote { return result }
      if character == "\\", quote == "\"", let next = rest.popFirst() {
        switch next {
        case "n": result.append("\n")
        case "r": result.append("\r")
        case "t": result.append("\t")
        case "\"", "\\", "$": result.append(next)
        default: result += "\\\(next)"
        }
      } else {
        result.append(character)
      }
    }
    return nil
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var rest = text.drop(while: \.isWhitespace)
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest
  }
}
