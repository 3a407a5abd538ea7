import CWire

/// What the JSON reader, its iterator and the resumable lexer say about a text.
///
/// `refused <why> at <offset>`, or the kind of the value and its direct members or elements. The lexer takes the pieces;
/// where it judges differently from the reader of the whole, a line says so.
enum JSONTrace {
  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    let depth = options["depth"].flatMap { UInt32($0) } ?? CWIRE_JSON_DEPTH
    let text = Array(pieces.joined())
    var lines = withExactBytes(text) { read($0, depth: depth) }
    let status = withExactBytes(text) { cwire_json_validate($0, depth, nil) }
    for watch in [depth, 1, 0] {
      let verdict = lex(pieces, depth: depth, watch: watch)
      if verdict != status { lines.append("the lexer says \(name(verdict))") }
    }
    return lines
  }

  static func name(_ status: cwire_json_status) -> String {
    switch status {
    case CWIRE_JSON_OK: "ok"
    case CWIRE_JSON_TRUNCATED: "truncated"
    case CWIRE_JSON_SYNTAX: "syntax"
    case CWIRE_JSON_CONTROL: "control"
    case CWIRE_JSON_UTF8: "utf8"
    case CWIRE_JSON_ESCAPE: "escape"
    case CWIRE_JSON_NUMBER: "number"
    case CWIRE_JSON_TOO_DEEP: "too_deep"
    case CWIRE_JSON_TRAILING: "trailing"
    default: "unknown"
    }
  }

  private static func name(_ kind: cwire_json_kind) -> String {
    switch kind {
    case CWIRE_JSON_OBJECT: "object"
    case CWIRE_JSON_ARRAY: "array"
    case CWIRE_JSON_STRING: "string"
    case CWIRE_JSON_INTEGER: "integer"
    case CWIRE_JSON_NUMBER_TOKEN: "number"
    case CWIRE_JSON_TRUE: "true"
    case CWIRE_JSON_FALSE: "false"
    case CWIRE_JSON_NULL: "null"
    default: "none"
    }
  }

  private static func read(_ text: cwire_span, depth: UInt32) -> [String] {
    var fault = 0
    let status = cwire_json_validate(text, depth, &fault)
    guard status == CWIRE_JSON_OK else { return ["refused \(name(status)) at \(fault)"] }
    var end = 0
    _ = cwire_json_value_end(text, depth, &end)
    let space = text.array.prefix { [0x20, 0x09, 0x0a, 0x0d].contains($0) }.count
    let value = cwire_span_make(text.base + space, end - space)
    let kind = cwire_json_kind_of(value)
    var lines = ["\(name(kind)) \(value.escaped)"]
    guard kind == CWIRE_JSON_OBJECT || kind == CWIRE_JSON_ARRAY else { return lines }
    lines = [name(kind)]
    var iterator = cwire_json_iterator()
    _ = cwire_json_iterate(&iterator, text, depth)
    var item = cwire_json_member()
    while cwire_json_next(&iterator, &item) == CWIRE_JSON_OK {
      let key = item.key.base == nil ? "" : " \(item.key.escaped)\(item.key_escaped ? " (escaped)" : "") ="
      lines.append("item\(key) \(name(cwire_json_kind_of(item.value))) \(item.value.escaped)")
    }
    return lines
  }

  private static func lex(_ pieces: [[UInt8]], depth: UInt32, watch: UInt32) -> cwire_json_status {
    var lexer = cwire_json_lexer()
    cwire_json_lexer_init(&lexer, depth, watch)
    var done = false
    // A number shows its end only at the byte after it, so one space more is needed; what can't take it was cut short.
    for (index, piece) in (pieces + [[0x20]]).enumerated() {
      let status: cwire_json_status? = withExactBytes(piece) { bytes in
        var rest = bytes
        var part = cwire_span()
        while !done {
          let event = cwire_json_lexer_next(&lexer, &rest, &part)
          if event < 0 { return cwire_json_status(rawValue: event) }
          if event == CWIRE_JSON_EVENT_MORE.rawValue { return nil }
          done = event == CWIRE_JSON_EVENT_END.rawValue
        }
        let onlySpace = rest.array.allSatisfy { [0x20, 0x09, 0x0a, 0x0d].contains($0) }
        return onlySpace ? nil : CWIRE_JSON_TRAILING
      }
      if let status { return index < pieces.count ? status : CWIRE_JSON_TRUNCATED }
    }
    return done ? CWIRE_JSON_OK : CWIRE_JSON_TRUNCATED
  }
}
