/// Reads JSON as clients' own files have it (with comments and trailing commas) into nodes that know where they stand.
///
/// A parser of its own because YAML, though it takes most JSON, reads neither comments nor `\ud83d\ude00`, and because
/// a JSON string `"no"` must stay a string.
public struct JSONDocument {
  private let bytes: [UInt8]
  private let file: String
  private var index = 0
  private var line = 1
  private var column = 1
  private var repeated: [Diagnostic] = []

  /// Deeper documents are refused rather than recursed into.
  private static let deepest = 256

  private init(_ text: String, file: String) {
    bytes = Array(text.utf8)
    self.file = file
  }

  /// - Throws: the first syntax error, or else every repeated key.
  public static func parse(_ text: String, file: String) throws(ConfigurationError) -> SourceNode {
    var document = JSONDocument(text, file: file)
    if document.bytes.starts(with: [0xEF, 0xBB, 0xBF]) { document.index = 3 }
    try document.skipBlanks()
    let root = try document.value(depth: 0)
    try document.skipBlanks()
    if document.peek != nil { throw document.mistake("text after the end of the JSON document") }
    guard document.repeated.isEmpty else { throw ConfigurationError(diagnostics: document.repeated) }
    return root
  }

  // MARK: Characters

  private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  private var position: SourcePosition { SourcePosition(file: file, line: line, column: column) }

  private mutating func advance() {
    let byte = bytes[index]
    index += 1
    if byte == UInt8(ascii: "\n") {
      line += 1
      column = 1
    } else if index >= bytes.count || bytes[index] & 0xC0 != 0x80 {
      column += 1
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    advance()
    return true
  }

  private func mistake(_ message: String, expected: String? = nil, at place: SourcePosition? = nil)
    -> ConfigurationError
  {
    var found = "the end of the file"
    if index < bytes.count {
      let end = bytes[index...].dropFirst().firstIndex { $0 & 0xC0 != 0x80 } ?? bytes.count
      found = "`\(String(decoding: bytes[index..<end], as: UTF8.self))`"
    }
    return ConfigurationError(diagnostics: [
      Diagnostic(.error, at: place ?? position, message, expected: expected, found: expected == nil ? nil : found)
    ])
  }

  /// White space and both kinds of comment.
  private mutating func skipBlanks() throws(ConfigurationError) {
    while let byte = peek {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        advance()
      case UInt8(ascii: "/") where bytes[index...].starts(with: "//".utf8):
        while let next = peek, next != UInt8(ascii: "\n") { advance() }
      case UInt8(ascii: "/") where bytes[index...].starts(with: "/*".utf8):
        let start = position
        advance()
        advance()
        while !bytes[index...].starts(with: "*/".utf8) {
          guard peek != nil else { throw mistake("a comment that never ends", at: start) }
          advance()
        }
        advance()
        advance()
      default:
        return
      }
    }
  }

  // MARK: Values

  private mutating func value(depth: Int) throws(ConfigurationError) -> SourceNode {
    guard depth < Self.deepest else { throw mistake("nested more than \(Self.deepest) levels deep") }
    let start = position
    switch peek {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return SourceNode(position: start, content: .scalar(try string()))
    default: break
    }
    let begin = index
    while let byte = peek, isWordByte(byte) { advance() }
    let word = String(decoding: bytes[begin..<index], as: UTF8.self)
    switch word {
    case "null": return SourceNode(position: start, content: .null)
    case "true", "false": return SourceNode(position: start, content: .scalar(word))
    case _ where isNumber(word): return SourceNode(position: start, content: .scalar(word))
    case "":
      throw mistake("not valid JSON", expected: "a value")
    default:
      throw ConfigurationError(diagnostics: [
        Diagnostic(
          .error, at: start, "not valid JSON", expected: "a value, strings in double quotes", found: "`\(word)`")
      ])
    }
  }

  /// The number of RFC 8259 section 6, and no other: neither `0x1F` nor `nan`.
  private func isNumber(_ word: String) -> Bool {
    word.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) != nil
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private mutating func array(depth: Int) throws(ConfigurationError) -> SourceNode {
    let start = position
    var items: [SourceNode] = []
    advance()
    try skipBlanks()
    while !take("]") {
      items.append(try value(depth: depth + 1))
      try skipBlanks()
      if take(",") {
        try skipBlanks()
      } else if peek != UInt8(ascii: "]") {
        throw mistake("not valid JSON", expected: "`,` or `]`")
      }
    }
    return SourceNode(position: start, content: .sequence(items))
  }

  private mutating func object(depth: Int) throws(ConfigurationError) -> SourceNode {
    let start = position
    var entries: [SourceNode.Entry] = []
    var places: [String: SourcePosition] = [:]
    advance()
    try skipBlanks()
    while !take("}") {
      guard peek == UInt8(ascii: "\"") else {
        throw mistake("not valid JSON", expected: "a key in double quotes or `}`")
      }
      let keyPosition = position
      let key = try string()
      try skipBlanks()
      guard take(":") else { throw mistake("not valid JSON", expected: "`:` after the key `\(key)`") }
      try skipBlanks()
      let content = try value(depth: depth + 1)
      if let first = places[key] {
        repeated.append(Diagnostic(.error, at: keyPosition, "`\(key)` is given twice, first at \(first)"))
      }
      places[key] = keyPosition
      entries.append(SourceNode.Entry(key: key, keyPosition: keyPosition, value: content))
      try skipBlanks()
      if take(",") {
        try skipBlanks()
      } else if peek != UInt8(ascii: "}") {
        throw mistake("not valid JSON", expected: "`,` or `}`")
      }
    }
    return SourceNode(position: start, content: .mapping(entries))
  }

  // MARK: Strings

  private mutating func string() throws(ConfigurationError) -> String {
    let start = position
    var result: [UInt8] = []
    advance()
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        advance()
        return String(decoding: result, as: UTF8.self)
      case UInt8(ascii: "\\"):
        result.append(contentsOf: try escape())
      case 0..<0x20 where byte != UInt8(ascii: "\t"):
        throw mistake("a string that does not end on its line", at: start)
      default:
        result.append(byte)
        advance()
      }
    }
    throw mistake("a string that never ends", at: start)
  }

  private mutating func escape() throws(ConfigurationError) -> [UInt8] {
    let start = position
    advance()
    guard let letter = peek else { throw mistake("a string that never ends", at: start) }
    advance()
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [letter]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): break
    default:
      throw mistake("`\\\(Unicode.Scalar(letter))` is no escape in JSON; a backslash is written `\\\\`", at: start)
    }
    var unit = try hexadecimal(from: start)
    if (0xD800..<0xDC00).contains(unit), bytes[index...].starts(with: "\\u".utf8) {
      advance()
      advance()
      let low = try hexadecimal(from: start)
      guard (0xDC00..<0xE000).contains(low) else { throw mistake("half a surrogate pair", at: start) }
      unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(unit) else { throw mistake("half a surrogate pair", at: start) }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func hexadecimal(from start: SourcePosition) throws(ConfigurationError) -> UInt32 {
    let digits = bytes[index...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw mistake("`\\u` without four hexadecimal digits", at: start) }
    for _ in 0..<4 { advance() }
    return unit
  }
}
