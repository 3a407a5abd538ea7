import CWire

/// The frames of a stream, one side of a connection: messages once they are whole, control frames as they come.
///
/// `failed` and its code end the trace, and so does `unfinished`, if the input ends within a frame or a message.
struct WebSocketTrace {
  private var reader = cwire_ws_reader()
  private var limits: cwire_ws_limits
  private let peer: cwire_ws_peer
  private var kept: [UInt8] = []
  private var data: [UInt8] = []
  private var failed = false
  private var lines: [String] = []

  private init(options: [String: String]) {
    limits = cwire_ws_limits(
      max_message: options["max_message"].flatMap(UInt64.init) ?? 1 << 20,
      max_frame: options["max_frame"].flatMap(UInt64.init) ?? 0, deflate: options["deflate"] != nil)
    peer = options["server"] == nil ? CWIRE_WS_CLIENT : CWIRE_WS_SERVER
  }

  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    var trace = WebSocketTrace(options: options)
    for piece in pieces where !trace.failed { trace.feed(piece) }
    if !trace.failed && (!trace.kept.isEmpty || !cwire_ws_at_rest(&trace.reader)) { trace.lines.append("unfinished") }
    return trace.lines
  }

  private mutating func feed(_ piece: [UInt8]) {
    withExactBytes(kept + piece) { input in
      var rest = input
      var event = cwire_ws_event()
      while !failed {
        let step = cwire_ws_next(&reader, &limits, peer, &rest, &event)
        if step == CWIRE_WS_MORE { break }
        take(step, event)
      }
      kept = rest.array
    }
    if !failed && kept.count > Int(CWIRE_WS_HEAD_MAX + CWIRE_WS_CONTROL_MAX) { lines.append("kept too much") }
  }

  private mutating func take(_ step: cwire_ws_step, _ event: cwire_ws_event) {
    switch step {
    case CWIRE_WS_DATA:
      if event.first != data.isEmpty { lines.append("first twice") }
      data += event.data.array
      guard event.last else { return }
      let kind = event.opcode == CWIRE_WS_TEXT.rawValue ? "text" : "binary"
      line(event.compressed ? "\(kind) compressed" : kind, data)
      data = []
    case CWIRE_WS_CONTROL where event.opcode == CWIRE_WS_CLOSE.rawValue: line("close \(event.code)", event.data.array)
    case CWIRE_WS_CONTROL: line(event.opcode == CWIRE_WS_PING.rawValue ? "ping" : "pong", event.data.array)
    default:
      lines.append("failed \(event.code)")
      failed = true
    }
  }

  private mutating func line(_ name: String, _ data: [UInt8]) {
    lines.append(data.isEmpty ? name : "\(name) \(FixtureText.escape(data))")
  }
}

/// What comes of a deflated message; nothing but the verdict if it is not one.
enum InflateTrace {
  static func lines(pieces: [[UInt8]], options: [String: String]) -> [String] {
    guard let codec = cwire_deflate_make() else { return ["no memory"] }
    defer { cwire_deflate_free(codec) }
    let limit = options["limit"].flatMap(UInt64.init) ?? 1 << 20
    var room = [UInt8](repeating: 0, count: options["room"].flatMap(Int.init) ?? 4096)
    var data: [UInt8] = []
    var status = cwire_inflate_begin(codec, limit)
    for (index, piece) in pieces.enumerated() where status == CWIRE_DEFLATE_OK {
      withExactBytes(piece) { input in
        var rest = input
        repeat {
          var count = 0
          status = cwire_inflate_next(codec, &rest, index == pieces.count - 1, &room, room.count, &count)
          data += room[..<count]
        } while status == CWIRE_DEFLATE_FULL
      }
    }
    switch status {
    case CWIRE_DEFLATE_OK: return data.isEmpty ? ["whole"] : ["data \(FixtureText.escape(data))", "whole"]
    case CWIRE_DEFLATE_TOO_BIG: return ["too_big"]
    default: return ["invalid"]
    }
  }
}

/// What each side of an opening handshake makes of the other's head.
enum HandshakeTrace {
  private typealias Head = UnsafeMutablePointer<cwire_http1_head>

  /// A request as a server judges it.
  static func request(pieces: [[UInt8]]) -> [String] {
    withHead(pieces.flatMap { $0 }, isRequest: true) { head in
      let status = cwire_ws_check_request(head)
      guard status == 0 else { return ["status \(status)"] }
      var accept = [UInt8](repeating: 0, count: Int(CWIRE_WS_ACCEPT_LENGTH))
      guard cwire_ws_accept(cwire_http1_value(head, CWIRE_FIELD_SEC_WEBSOCKET_KEY), &accept) else { return ["no key"] }
      return ["accept \(FixtureText.escape(accept))"]
    }
  }

  /// Offers of a request, given as header lines.
  static func offer(pieces: [[UInt8]]) -> [String] {
    let head = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8) + pieces.flatMap { $0 } + Array("\r\n".utf8)
    return withHead(head, isRequest: true) { head in
      var agreed = cwire_ws_accept_offer(head)
      guard agreed.on else { return ["declined"] }
      let answer = written(capacity: Int(CWIRE_WS_AGREED_MAX)) { cwire_ws_put_agreed($0, &agreed) }
      return [answer.map(FixtureText.escape) ?? "too long"]
    }
  }

  /// A server's answer to ours, given as header lines.
  static func answer(pieces: [[UInt8]]) -> [String] {
    let head = Array("HTTP/1.1 101 \r\n".utf8) + pieces.flatMap { $0 } + Array("\r\n".utf8)
    return withHead(head, isRequest: false) { head in
      var agreed = cwire_ws_deflate()
      guard cwire_ws_read_agreed(head, &agreed) else { return ["refused"] }
      return [agreed.on ? "on server=\(agreed.server_bits) client=\(agreed.client_bits)" : "off"]
    }
  }

  private static func withHead(_ bytes: [UInt8], isRequest: Bool, _ body: (Head) -> [String]) -> [String] {
    let head = Head.allocate(capacity: 1)
    defer { head.deallocate() }
    var limits = cwire_http1_default_limits()
    return withExactBytes(bytes) { input in
      let length =
        isRequest
        ? cwire_http1_parse_request(head, &limits, input, 0)
        : cwire_http1_parse_response(head, &limits, input, 0, false)
      return length == bytes.count ? body(head) : ["no head \(length)"]
    }
  }
}
