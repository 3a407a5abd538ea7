import CWire

/// One side of a connection: takes pieces, finds the messages in them, and writes down what the codec says.
///
/// A message is `request` or `response` with its fields indented below, then `data` and `end`. The trace stops at an
/// `error`; an unfinished message at the end is `waiting`, or, with the option `end`, what the end of the connection
/// makes of it. Further options: `max_head`, `max_target`, `max_headers`, `max_body` set limits, `head` makes responses
/// answers to HEAD.
struct HTTP1Trace: ~Copyable {
  enum Side { case request, response }

  private let side: Side
  private let options: [String: String]
  private let head = UnsafeMutablePointer<cwire_http1_head>.allocate(capacity: 1)
  private var limits = cwire_http1_default_limits()
  private var body = cwire_http1_body()
  private var inBody = false
  private var failed = false
  private var pending: [UInt8] = []
  private var seen = 0
  private var data: [UInt8] = []
  private var lines: [String] = []

  init(_ side: Side, options: [String: String]) {
    self.side = side
    self.options = options
    limits.max_head = option("max_head") ?? limits.max_head
    limits.max_target = option("max_target") ?? limits.max_target
    limits.max_headers = option("max_headers") ?? limits.max_headers
  }

  deinit { head.deallocate() }

  /// The whole trace of a connection.
  static func lines(_ side: Side, pieces: [[UInt8]], options: [String: String]) -> [String] {
    var trace = HTTP1Trace(side, options: options)
    for piece in pieces { trace.feed(piece) }
    return trace.finish()
  }

  private func option<Number: FixedWidthInteger>(_ name: String) -> Number? { options[name].flatMap { Number($0) } }

  private mutating func feed(_ piece: [UInt8]) {
    pending += piece
    while !failed && !pending.isEmpty {
      guard inBody ? takeBody() : takeHead() else { break }
    }
  }

  private mutating func finish() -> [String] {
    if failed { return lines }
    if inBody {
      flushData()
      if options["end"] == nil {
        lines.append("waiting for body")
      } else {
        let result = cwire_http1_body_end(&body)
        result == CWIRE_OK.rawValue.signed ? lines.append("end") : fail(result)
      }
    } else if !pending.isEmpty {
      options["end"] == nil ? lines.append("waiting for head") : fail(CWIRE_HTTP1_TRUNCATED.rawValue)
    }
    return lines
  }

  private mutating func fail(_ error: Int32) {
    flushData()
    failed = true
    lines.append("error \(String(cString: cwire_http1_error_name(error))) \(cwire_http1_error_status(error))")
  }

  private mutating func flushData() {
    guard !data.isEmpty else { return }
    lines.append("data \(FixtureText.escape(data))")
    data = []
  }

  /// Parses the head at the front of what is pending; true if there may be more to do.
  private mutating func takeHead() -> Bool {
    let (head, side, seen, toHead) = (head, side, seen, options["head"] != nil)
    let consumed = withUnsafePointer(to: limits) { limits in
      pending.withUnsafeBytes { bytes in
        let input = cwire_span_make(bytes.baseAddress, bytes.count)
        return switch side {
        case .request: cwire_http1_parse_request(head, limits, input, seen)
        case .response: cwire_http1_parse_response(head, limits, input, seen, toHead)
        }
      }
    }
    guard consumed > 0 else {
      self.seen = pending.count
      if consumed < 0 { fail(Int32(consumed)) }
      return false
    }
    pending.withUnsafeBytes { _ in describeHead() }
    pending.removeFirst(consumed)
    self.seen = 0
    switch cwire_http1_body_start(&body, head, option("max_body") ?? UInt64.max) {
    case CWIRE_OK.rawValue.signed: lines.append("end")
    case CWIRE_MORE.rawValue.signed: inBody = true
    case let error: fail(error)
    }
    return true
  }

  private mutating func takeBody() -> Bool {
    var status: Int32 = 0
    var left = 0
    pending.withUnsafeBytes { bytes in
      var input = cwire_span_make(bytes.baseAddress, bytes.count)
      var piece = cwire_span()
      repeat {
        status = cwire_http1_body_next(&body, &input, &piece)
        data += UnsafeRawBufferPointer(start: piece.base, count: piece.length)
      } while status == CWIRE_MORE.rawValue.signed && input.length > 0
      left = input.length
    }
    guard status >= 0 else {
      fail(status)
      return false
    }
    pending.removeFirst(pending.count - left)
    guard status == CWIRE_OK.rawValue.signed else { return false }
    flushData()
    lines.append("end")
    inBody = false
    return true
  }

  private mutating func describeHead() {
    let parsed = head.pointee
    switch side {
    case .request:
      lines.append("request \(text(parsed.method_text)) \(text(parsed.target)) HTTP/1.\(parsed.minor)")
      if text(parsed.path) != text(parsed.target) { lines.append("  path \(text(parsed.path))") }
      if parsed.query.base != nil { lines.append("  query \(text(parsed.query))") }
    case .response:
      lines.append("response \(parsed.status) \(text(parsed.reason)) HTTP/1.\(parsed.minor)")
    }
    for index in 0..<CWIRE_FIELD_COUNT.rawValue {
      let field = cwire_http1_field(rawValue: index)
      let value = cwire_http1_value(head, field)
      if value.base != nil { lines.append("  \(text(cwire_http1_field_name(field))): \(text(value))") }
    }
    for index in 0..<parsed.count {
      let header = cwire_http1_header_at(head, index)
      let again = header.field == CWIRE_FIELD_OTHER ? "" : "again "
      lines.append("  \(again)\(text(header.name)): \(text(header.value))")
    }
    switch parsed.framing {
    case CWIRE_FRAMING_LENGTH: lines.append("  body of \(parsed.content_length)")
    case CWIRE_FRAMING_CHUNKED: lines.append("  body in chunks")
    case CWIRE_FRAMING_UNTIL_CLOSE: lines.append("  body until close")
    default: break
    }
    if parsed.expect_continue { lines.append("  expects continue") }
    if parsed.upgrade { lines.append("  upgrade") }
    if !parsed.keep_alive { lines.append("  close") }
  }

  private func text(_ span: cwire_span) -> String {
    FixtureText.escape(UnsafeRawBufferPointer(start: span.base, count: span.length))
  }
}

extension UInt32 {
  /// C imports an enum without negative members as unsigned, while functions answer with an int.
  fileprivate var signed: Int32 { Int32(bitPattern: self) }
}
