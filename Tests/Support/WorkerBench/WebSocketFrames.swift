import CWire

/// The messages in what one side of a WebSocket wrote.
struct FrameReader {
  private let side: cwire_ws_peer
  private var reader = cwire_ws_reader()
  private var kept: [UInt8] = []
  private var message: [UInt8] = []
  /// The code of the close frame that came.
  private(set) var closeCode: UInt16?
  /// What breaks the rules.
  private(set) var problem: String?

  /// - Parameter side: who wrote it.
  init(_ side: cwire_ws_peer) { self.side = side }

  /// The whole messages in what came.
  mutating func messages(in bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var input = kept + bytes
    kept = []
    guard closeCode == nil, problem == nil, !input.isEmpty else { return [] }
    var limits = cwire_ws_limits(max_message: 1 << 24, max_frame: 0, deflate: false)
    input.withUnsafeMutableBufferPointer { buffer in
      var rest = cwire_span_make(buffer.baseAddress, buffer.count)
      var event = cwire_ws_event()
      while true {
        let step = cwire_ws_next(&reader, &limits, side, &rest, &event)
        if step == CWIRE_WS_MORE { break }
        if step == CWIRE_WS_FAILED {
          problem = "a frame that breaks the rules (\(event.code))"
          return
        }
        if step == CWIRE_WS_CONTROL {
          if event.opcode == CWIRE_WS_CLOSE.rawValue { closeCode = event.code }
          continue
        }
        message += UnsafeBufferPointer(start: event.data.base, count: event.data.length)
        guard event.last else { continue }
        found.append(message)
        message = []
      }
      kept = Array(UnsafeBufferPointer(start: rest.base, count: rest.length))
    }
    return found
  }
}

/// One frame.
enum WebSocketFrame {
  /// - Parameter mask: of a client's; nil: a server's.
  static func bytes(_ opcode: cwire_ws_opcode, _ data: [UInt8], fin: Bool = true, mask: [UInt8]?) -> [UInt8] {
    var head = [UInt8](repeating: 0, count: Int(CWIRE_WS_HEAD_MAX))
    let size = cwire_ws_put_head(&head, opcode, fin, false, UInt64(data.count), mask)
    var data = data
    if let mask { cwire_ws_mask(&data, data.count, mask, 0) }
    return head[..<size] + data
  }

  /// A close frame with that code.
  static func close(_ code: UInt16, mask: [UInt8]?) -> [UInt8] {
    bytes(CWIRE_WS_CLOSE, [UInt8(code >> 8), UInt8(code & 0xff)], mask: mask)
  }

  /// Sec-WebSocket-Accept of a key.
  static func accept(_ key: String) -> String {
    var accept = [UInt8](repeating: 0, count: Int(CWIRE_WS_ACCEPT_LENGTH))
    let key = Array(key.utf8)
    key.withUnsafeBufferPointer { _ = cwire_ws_accept(cwire_span_make($0.baseAddress, $0.count), &accept) }
    return String(decoding: accept, as: UTF8.self)
  }
}
