/// The `NAME=value` lines of a file that `envFile` names.
public enum EnvironmentFile {
  /// What Linux takes of one variable: its name, `=`, its value and the NUL behind it.
  private static let largestVariable = 128 << 10

  /// Lines end with LF, CRLF or CR, and a byte order mark is passed over. Blank lines and lines that start with `#` are
  /// skipped, `export ` before a name is taken. A value is taken as it is up to a `#` after a blank, without the blanks
  /// around it; in single quotes literally; in double quotes with `\n`, `\r`, `\t`, `\"`, `\\` and `\$`. A quoted value may go
  /// on over several lines, between which it has an LF; then nothing but a comment may follow it.
  ///
  /// What can't be read is reported by its line; values may be secrets and are never shown.
  public static func parse(_ bytes: [UInt8], file: String, into diagnostics: inout [Diagnostic]) -> [String: String] {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      diagnostics.append(.notUTF8(bytes, file: file))
      return [:]
    }
    var variables: [String: String] = [:]
    var rest = lines(of: bytes)[...]
    while let line = rest.popFirst() {
      let position = SourcePosition(file: file, line: rest.startIndex, column: 1)
      do throws(Mistake) {
        guard let (name, value) = try variable(line, &rest) else { continue }
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

  public static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
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

  /// Nil for a line without a variable. Of the lines after it those are taken that its value goes on over.
  private static func variable(
    _ raw: ArraySlice<UInt8>, _ following: inout ArraySlice<ArraySlice<UInt8>>
  ) throws(Mistake) -> (name: String, value: String)? {
    var line = trimmed(raw)
    guard let first = line.first, first != UInt8(ascii: "#") else { return nil }
    guard !line.contains(0) else { throw nul }
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
    let value = try value(line[(equals + 1)...], of: raw, &following)
    guard name.count + value.count + 2 <= largestVariable else {
      throw Mistake(
        what: "a variable that is too large for a process",
        expected: "at most \(Quantity.describe(size: largestVariable)) with its name")
    }
    return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
  }

  private static let nul = Mistake(
    what: "no variable of a process can hold a NUL character", expected: "a file that is saved as UTF-8")

  /// - Parameter line: the whole line, blanks at its end included.
  private static func value(
    _ raw: ArraySlice<UInt8>, of line: ArraySlice<UInt8>, _ following: inout ArraySlice<ArraySlice<UInt8>>
  ) throws(Mistake) -> [UInt8] {
    let rest = trimmed(raw)
    guard let quote = rest.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
      let comment = raw.indices.first { index in
        raw[index] == UInt8(ascii: "#") && index > raw.startIndex && blanks.contains(raw[index - 1])
      }
      return Array(trimmed(raw[..<(comment ?? raw.endIndex)]))
    }
    var value = Quoted(quote: quote)
    if value.take(line[(rest.startIndex + 1)...]) != nil { return value.bytes }
    var behind = following
    while let next = behind.popFirst() {
      guard !next.contains(0) else { throw nul }
      value.bytes.append(0x0A)
      guard let rest = value.take(next).map(trimmed) else { continue }
      guard rest.isEmpty || rest.first == UInt8(ascii: "#") else {
        // It is more likely that the quote that begins here lacks its end than that the next one is it.
        throw Mistake(
          what: "a quote whose value ends in the midst of line \(behind.startIndex)",
          expected: "the same quote behind the value, on this line or at the end of a later one")
      }
      following = behind
      return value.bytes
    }
    throw Mistake(
      what: "a quote that does not end", expected: "the same quote behind the value, on this line or a later one")
  }

  private struct Quoted {
    let quote: UInt8
    var bytes: [UInt8] = []

    /// What follows the quote's end; nil if the line has none.
    mutating func take(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
      var rest = line
      while let byte = rest.popFirst() {
        if byte == quote { return rest }
        guard byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), let next = rest.popFirst() else {
          bytes.append(byte)
          continue
        }
        switch next {
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"): bytes.append(next)
        default: bytes += [byte, next]
        }
      }
      return nil
    }
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = text.drop(while: blanks.contains)
    while let last = rest.last, blanks.contains(last) { rest.removeLast() }
    return rest
  }
}
