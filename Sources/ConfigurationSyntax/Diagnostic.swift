/// One remark about what the operator wrote: where it is, what is wrong, what was expected, and what may have been meant.
public struct Diagnostic: Sendable, Equatable, CustomStringConvertible {
  public var severity: Severity
  public var position: SourcePosition
  public var message: String
  public var expected: String?
  public var found: String?
  public var suggestion: String?

  public init(
    _ severity: Severity, at position: SourcePosition, _ message: String, expected: String? = nil, found: String? = nil,
    suggestion: String? = nil
  ) {
    self.severity = severity
    self.position = position
    self.message = message
    self.expected = expected
    self.found = found
    self.suggestion = suggestion
  }

  public enum Severity: String, Sendable {
    /// Worth a line at debug level only.
    case note
    case warning
    /// Nothing is served.
    case error
  }

  /// `file:line:column: error: message`, as compilers write it, then one indented line for each further thing known.
  public var description: String {
    lines.joined(separator: "\n")
  }

  /// The lines of `description`, whatever the operator's own words hold.
  public var lines: [String] {
    var lines = ["\(position): \(severity.rawValue): \(message)"]
    if let expected { lines.append("    expected: \(expected)") }
    if let found { lines.append("    found: \(found)") }
    if let suggestion { lines.append("    did you mean `\(suggestion)`?") }
    return lines
  }
}

extension Diagnostic {
  /// A file that is no text, which points at the first byte that is not of a character.
  public static func notUTF8(_ bytes: [UInt8], file: String) -> Diagnostic {
    var decoder = UTF8()
    var input = bytes.makeIterator()
    var (line, column, offset) = (1, 1, 0)
    while case .scalarValue(let scalar) = decoder.decode(&input) {
      offset += UTF8.width(scalar)
      if scalar == "\n" { (line, column) = (line + 1, 1) } else { column += 1 }
    }
    let byte = String(bytes[min(offset, bytes.count - 1)], radix: 16, uppercase: true)
    return Diagnostic(
      .error, at: SourcePosition(file: file, line: line, column: column), "not a text in UTF-8",
      expected: "a file that is saved as UTF-8", found: "the byte 0x\(byte)")
  }
}

/// The configuration can't be served. Holds every remark that was collected, at least one of them an error.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
  public var diagnostics: [Diagnostic]

  public init(diagnostics: [Diagnostic]) {
    self.diagnostics = diagnostics
  }

  public var description: String {
    diagnostics.map(\.description).joined(separator: "\n")
  }
}
