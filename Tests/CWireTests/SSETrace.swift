import CWire

/// The events in a stream: `data` (all of it, lines joined), `event` with its fields, `comment`.
struct SSETrace {
  private var parser = cwire_sse_parser()
  private var data: [UInt8] = []
  private var lines: [String] = []

  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    var trace = SSETrace()
    cwire_sse_init(&trace.parser)
    for piece in pieces { withExactBytes(piece) { trace.feed($0) } }
    return trace.lines
  }

  private mutating func feed(_ piece: cwire_span) {
    var rest = piece
    var event = cwire_sse_event()
    while true {
      switch cwire_sse_next(&parser, &rest, &event) {
      case CWIRE_SSE_DATA:
        data += (event.newline ? [0x0a] : []) + event.data.array
      case CWIRE_SSE_COMMENT:
        lines.append("comment")
      case CWIRE_SSE_END:
        end(event)
      default:
        return
      }
    }
  }

  private mutating func end(_ event: cwire_sse_event) {
    var fields = ["event"]
    if event.type.length > 0 { fields.append("type=\(event.type.escaped)") }
    if event.id.length > 0 || event.id_set { fields.append("\(event.id_set ? "id" : "last_id")=\(event.id.escaped)") }
    if event.retry >= 0 { fields.append("retry=\(event.retry)") }
    if event.too_long { fields.append("too_long") }
    if event.data_is_empty { fields.append("empty") }
    lines.append(fields.joined(separator: " "))
    if event.has_data { lines.append("data \(FixtureText.escape(data))") }
    data = []
  }
}
