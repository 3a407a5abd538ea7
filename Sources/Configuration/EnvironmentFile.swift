/// The `NAME=value` lines of a file that `envFile` names.
enum EnvironmentFile {
  /// What Linux takes of one variable: its name, `=`, its value and the NUL behind it.
  private static let largestVariable = 128 << 10

  /// Lines end with LF, CRLF or CR, and a byte order mark is passed over. Blank lines and lines that start with `#` are
  /// skipped, `export ` before a name is taken. A value is taken as it is up to a `#` after a blank, without the blanks
  /// around it; in single quotes literally; in double quotes with `\n`, `\r`, `\t`, `\"`, `\\` and `\$`.
  ///
  /// What can't be read is reported by its line; values may be secrets and are never shown.
  static func parse(_ bytes: [UInt8], file: String, into diagnostics: inout [Diagnostic]) -> [String: String] {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      diagnostics.append(.notUTF8(bytes, file: file))
      return [:]
    }
    var variables: [String: String] = [:]
    for (index, line) in lines(of: bytes).enumerated() {
      let position = SourcePosition(file: file, line: index + 1, column: 1)
      do throws(Mistake) {
        guard let (name, value) = try variable(line) else { continue }
        variables[name] = value
      } catch {
        diagnostics.append(Diagnostic(.error, at: position, error.what, expected: error.expected))
      }
    }
    return variables
  }

  private struct Mistake: Error {
    var what: String
    var expected: String?
  }

  private static let blanks: [UInt8] = [0x20, 0x09, 0x0B, 0x0C]

  static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var rest = bytes.starts(with: "\u{FEFF}".utf8) ? bytes.dropFirst(3) : bytes[...]
    var lines: [ArraySlice<UInt8>] = []
    while let end = rest.firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) {
      lines.append(rest[..<end])
      let isPair = rest[end] == 0x0D && end + 1 < rest.endIndex && rest[end + 1] == 0x0A
      rest = rest[(end + (isPair ? 2 : 1))...]
    }
    lines.append(rest)
    return lines
  }

  /// Nil for a line without a variable.
  private static func variable(_ raw: ArraySlice<UInt8>) throws(Mistake) -> (name: String, value: String)? {
    var line = trimmed(raw)
    guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
    guard !line.contains(0) else {
      throw Mistake(
        what: "no variable of a process can hold a NUL character", expected: "a file that is saved as UTF-8")
    }
    if line.starts(with: "export".utf8), let next = line.dropFirst(6).first, blanks.contains(next) {
      line = trimmed(line.dropFirst(6))
    }
    guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else {
      throw Mistake(what: "not a line of an environment file", expected: "`NAME=value`, a comment or a blank line")
    }
    let name = trimmed(line[..<equals])
    guard !name.isEmpty, !name.contains(where: blanks.contains) else {
      throw Mistake(what: "not the name of a variable", expected: "`NAME=value`")
    }
    guard let value = value(line[(equals + 1)...]) else {
      throw Mistake(what: "a quote that does not end on its line")
    }
    guard name.count + value.count + 2 <= largestVariable else {
      throw Mistake(
        what: "a variable that is too large for a process",
        expected: "at most \(Quantity.describe(size: largestVariable)) with its name")
    }
    return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
  }

  /// Nil if a quote does not end.
  private static func value(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
    var rest = trimmed(raw)
    guard let quote = rest.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      let comment = raw.indices.first { index in
        raw[index] == UInt8(ascii: "#") && index > raw.startIndex && blanks.contains(raw[index - 1])
      }
      return Array(trimmed(raw[..<(comment ?? raw.endIndex)]))
    }
    var result: [UInt8] = []
    rest = rest.dropFirst()
    while let byte = rest.popFirst() {
      if byte == quote { return result }
      guard byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), let next = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch next {
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"): result.append(next)
      default: result += [byte, next]
      }
    }
    return nil
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = text.drop(while: blanks.contains)
    while let last = rest.last, blanks.contains(last) { rest.removeLast() }
    return rest
  }
}
