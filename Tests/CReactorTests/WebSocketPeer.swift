import CReactor
import CWire

/// A frame as a test reads or writes it.
struct Frame: Equatable, CustomStringConvertible {
  enum Opcode: UInt8 {
    case continuation = 0
    case text, binary
    case close = 8
    case ping, pong
  }

  var opcode: Opcode
  var payload: [UInt8]
  var final = true
  var compressed = false

  static func text(_ text: String, final: Bool = true) -> Frame {
    Frame(opcode: .text, payload: Array(text.utf8), final: final)
  }
  static func binary(_ bytes: [UInt8], final: Bool = true) -> Frame {
    Frame(opcode: .binary, payload: bytes, final: final)
  }
  static func more(_ text: String, final: Bool = false) -> Frame {
    Frame(opcode: .continuation, payload: Array(text.utf8), final: final)
  }
  static func ping(_ text: String = "") -> Frame { Frame(opcode: .ping, payload: Array(text.utf8)) }
  static func pong(_ text: String = "") -> Frame { Frame(opcode: .pong, payload: Array(text.utf8)) }
  static func close(_ code: UInt16? = nil, _ reason: String = "") -> Frame {
    let head = code.map { [UInt8($0 >> 8), UInt8($0 & 0xff)] } ?? []
    return Frame(opcode: .close, payload: head + reason.utf8)
  }

  var description: String {
    let flags = (final ? "" : " …") + (compressed ? " deflated" : "")
    let shown = payload.count > 80 ? "\(payload.count) bytes" : String(decoding: payload, as: UTF8.self)
    return "\(opcode)\(flags) \(opcode == .close ? "\(payload)" : shown)"
  }

  /// The bytes on the wire.
  func bytes(masked: Bool) -> [UInt8] {
    var out: [UInt8] = [(final ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode.rawValue]
    let mask: UInt8 = masked ? 0x80 : 0
    switch payload.count {
    case ..<126: out.append(mask | UInt8(payload.count))
    case ..<65536: out += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
    default:
      out.append(mask | 127)
      for shift in stride(from: 56, through: 0, by: -8) {
        out.append(UInt8(truncatingIfNeeded: payload.count >> shift))
      }
    }
    guard masked else { return out + payload }
    let key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
    return out + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
  }

  /// The whole frames at the front of `bytes`, which loses them; nil if they are none of this side's.
  static func take(from bytes: inout [UInt8], masked: Bool) -> [Frame]? {
    var frames: [Frame] = []
    var index = 0
    while bytes.count - index >= 2 {
      var at = index + 2
      guard let opcode = Opcode(rawValue: bytes[index] & 0x0f), (bytes[index + 1] & 0x80 != 0) == masked else {
        return nil
      }
      var length = Int(bytes[index + 1] & 0x7f)
      let wide = length == 126 ? 2 : length == 127 ? 8 : 0
      guard bytes.count - at >= wide + (masked ? 4 : 0) else { break }
      if wide > 0 { length = bytes[at..<at + wide].reduce(0) { $0 << 8 | Int($1) } }
      at += wide
      let key = masked ? Array(bytes[at..<at + 4]) : [0, 0, 0, 0]
      at += masked ? 4 : 0
      guard bytes.count - at >= length else { break }
      let payload = bytes[at..<at + length].enumerated().map { $1 ^ key[$0 % 4] }
      frames.append(
        Frame(
          opcode: opcode, payload: payload, final: bytes[index] & 0x80 != 0, compressed: bytes[index] & 0x40 != 0))
      index = at + length
    }
    bytes.removeFirst(index)
    return frames
  }
}

/// Settings that live as long as a test needs them: connections refer to them.
final class WebSocketSettings {
  let raw: UnsafeMutablePointer<cr_websocket_settings>

  init(_ change: (inout cr_websocket_settings) -> Void = { _ in }) {
    raw = .allocate(capacity: 1)
    raw.initialize(to: cr_websocket_settings_default())
    change(&raw.pointee)
  }

  deinit { raw.deallocate() }
}

extension MemoryGateway {
  /// Answers every request with a WebSocket whose tag is 7.
  func acceptWebSockets(
    _ settings: WebSocketSettings = WebSocketSettings(), protocol name: String = "", headers: String = ""
  ) {
    retained.append(settings)
    upgrade = { gateway, id, head in
      withSpans([name, headers]) { spans in
        _ = cr_set_tag(gateway.loop, id, 7)
        _ = cr_websocket_accept(gateway.loop, id, head, settings.raw, spans[0], spans[1])
      }
    }
  }

  /// Sends every message back.
  func echo() {
    message = { gateway, id, bytes, binary in _ = gateway.sendMessage(id, bytes, binary: binary) }
  }

  func sendMessage(_ id: cr_id, _ bytes: [UInt8], binary: Bool = false) -> cr_write {
    (bytes + [0]).withUnsafeBufferPointer { buffer in
      var span = cwire_span(base: buffer.baseAddress, length: bytes.count)
      return cr_websocket_send(loop, id, binary ? CR_WEBSOCKET_BINARY : CR_WEBSOCKET_TEXT, &span, 1)
    }
  }
}

extension MemoryGateway {
  func close(_ id: cr_id, _ code: UInt32, _ reason: String = "") {
    withSpans([reason]) { cr_websocket_close(loop, id, code, $0[0]) }
  }

  /// Bytes that are kept for peers: none while all of them are at rest.
  var buffered: UInt64 { cr_loop_count(loop).buffered }
}

/// Bytes that can't be deflated, the same at each call.
func noise(_ count: Int) -> [UInt8] {
  var state: UInt64 = 1
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1
    return UInt8(truncatingIfNeeded: state >> 33)
  }
}

/// What permessage-deflate makes of a message.
func deflated(_ bytes: [UInt8]) -> [UInt8] {
  let codec = cwire_deflate_make()
  defer { cwire_deflate_free(codec) }
  var out = [UInt8](repeating: 0, count: bytes.count + 1024)
  var written = 0
  (bytes + [0]).withUnsafeBufferPointer { buffer in
    var input = cwire_span(base: buffer.baseAddress, length: bytes.count)
    precondition(cwire_deflate_begin(codec, 15) == CWIRE_DEFLATE_OK)
    let capacity = out.count
    precondition(cwire_deflate_next(codec, &input, true, &out, capacity, &written) == CWIRE_DEFLATE_OK)
  }
  return Array(out[..<written])
}

/// The message of which permessage-deflate made this; nil if it is none.
func inflated(_ bytes: [UInt8]) -> [UInt8]? {
  let codec = cwire_deflate_make()
  defer { cwire_deflate_free(codec) }
  guard cwire_inflate_begin(codec, 1 << 30) == CWIRE_DEFLATE_OK else { return nil }
  var message: [UInt8] = []
  return bytes.withUnsafeBufferPointer { buffer in
    var input = cwire_span(base: buffer.baseAddress, length: bytes.count)
    var out = [UInt8](repeating: 0, count: 65536)
    while true {
      var written = 0
      let status = cwire_inflate_next(codec, &input, true, &out, 65536, &written)
      message += out[..<written]
      if status == CWIRE_DEFLATE_OK { return message }
      if status != CWIRE_DEFLATE_FULL { return nil }
    }
  }
}

/// The client's end of a WebSocket that a `MemoryGateway` accepted.
final class WebSocketPeer {
  let client: MemoryClient
  /// The answer to the handshake.
  let answer: String
  private var unread: [UInt8] = []

  static let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

  static func handshake(_ fields: String = "") -> String {
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(fields)\r\n"
  }

  init?(_ gateway: MemoryGateway, fields: String = "", faults: cr_fault_plan = cr_fault_plan()) {
    guard let client = MemoryClient(gateway, faults: faults) else { return nil }
    self.client = client
    client.send(Self.handshake(fields))
    let bytes = client.takeBytes()
    let end = bytes.indices.first { bytes[...$0].suffix(4).elementsEqual([13, 10, 13, 10]) }
    guard let end else { return nil }
    answer = String(decoding: bytes[...end], as: UTF8.self)
    unread = Array(bytes[(end + 1)...])
  }

  func send(_ frames: Frame...) { client.send(frames.flatMap { $0.bytes(masked: true) }) }

  /// The frames that came since the last call, and no bytes beside them.
  func take() -> [Frame]? {
    unread += client.takeBytes()
    guard let frames = Frame.take(from: &unread, masked: false), unread.isEmpty else { return nil }
    return frames
  }
}

/// A `cr_error` that tests can compare.
struct ReactorFault: Equatable {
  var domain: UInt16
  var code: Int32

  init(_ error: cr_error) {
    domain = error.domain
    code = error.code
  }

  static func reason(_ reason: cr_reason) -> ReactorFault {
    ReactorFault(cr_error(domain: UInt16(CR_DOMAIN_REACTOR.rawValue), code: Int32(reason.rawValue)))
  }

  static func webSocket(_ code: Int32) -> ReactorFault {
    ReactorFault(cr_error(domain: UInt16(CR_DOMAIN_WEBSOCKET.rawValue), code: code))
  }
}
