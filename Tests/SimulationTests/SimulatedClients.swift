import CReactor
import CWire

/// A request on its way and what may come of it: exactly one answer with its id, or the end of its connection.
final class SimulatedCall {
  enum Way: String, CaseIterable {
    case initialize, legacy, modern, socket, resumed
  }

  let id: Int
  var way: Way
  /// What an echo must say; nil for other calls.
  let text: String?
  let session: SimulatedSession?
  var answers = 0
  var isOver = false
  /// Where its stream can be taken up again.
  var lastEventID: String?

  init(id: Int, way: Way, text: String?, session: SimulatedSession?) {
    self.id = id
    self.way = way
    self.text = text
    self.session = session
  }
}

/// A legacy client's session.
final class SimulatedSession {
  var token: String?
  var isDeleted = false
  /// The last event of its GET stream.
  var lastEventID: String?
}

/// The client's end of a WebSocket.
final class SimulatedSocket {
  private var reader = cwire_ws_reader()
  private var kept: [UInt8] = []
  private var message: [UInt8] = []
  /// Speaks a legacy revision; then it has to begin with `initialize`.
  let isLegacy: Bool
  var isInitialized = false
  var pending: [Int: SimulatedCall] = [:]
  private(set) var isClosed = false
  private(set) var problem: String?

  init(isLegacy: Bool) { self.isLegacy = isLegacy }

  /// One masked frame.
  static func frame(_ opcode: cwire_ws_opcode, _ data: [UInt8], fin: Bool = true, mask: [UInt8]) -> [UInt8] {
    var head = [UInt8](repeating: 0, count: Int(CWIRE_WS_HEAD_MAX))
    let size = cwire_ws_put_head(&head, opcode, fin, false, UInt64(data.count), mask)
    var data = data
    cwire_ws_mask(&data, data.count, mask, 0)
    return head[..<size] + data
  }

  /// The whole messages in what came.
  func messages(in bytes: [UInt8]) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var input = kept + bytes
    kept = []
    guard !isClosed, problem == nil, !input.isEmpty else { return [] }
    var limits = cwire_ws_limits(max_message: 1 << 24, max_frame: 0, deflate: false)
    input.withUnsafeMutableBufferPointer { buffer in
      var rest = cwire_span_make(buffer.baseAddress, buffer.count)
      var event = cwire_ws_event()
      while true {
        let step = cwire_ws_next(&reader, &limits, CWIRE_WS_SERVER, &rest, &event)
        if step == CWIRE_WS_MORE { break }
        if step == CWIRE_WS_FAILED {
          problem = "a frame that breaks the rules (\(event.code))"
          return
        }
        if step == CWIRE_WS_CONTROL {
          if event.opcode == CWIRE_WS_CLOSE.rawValue { isClosed = true }
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

/// One connection of a client.
final class SimulatedConnection {
  enum Use {
    case idle
    case opening(SimulatedSession, SimulatedCall)
    case call(SimulatedCall)
    /// GET of a session, perhaps taking up a call's stream.
    case stream(SimulatedSession, SimulatedCall?)
    /// A WebSocket; until its upgrade was answered nothing may be sent.
    case socket(SimulatedSocket, isOpen: Bool)
    /// An answer without a message: 200 or 202, or a refusal.
    case acknowledgement
    /// Ended from here.
    case abandoned
  }

  let peer: MemoryPeer
  let worker: Int
  var reader = HTTPReader(requests: false)
  var use = Use.idle
  /// Events of the stream that were looked at.
  var seenEvents = 0
  var hasEnded = false
  /// Nothing more is sent.
  var isHalfClosed = false
  /// When it may be closed for what it does not read, or for its silence; milliseconds of the gateway's clock.
  let patience: UInt64

  init(_ peer: MemoryPeer, worker: Int, patience: UInt64) {
    self.peer = peer
    self.worker = worker
    self.patience = patience
  }

  var isFree: Bool {
    if case .idle = use { !hasEnded && !isHalfClosed } else { false }
  }
}
