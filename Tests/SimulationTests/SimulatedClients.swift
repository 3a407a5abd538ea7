import CReactor
import CWire

@testable import WorkerBench

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
  var reader = FrameReader(CWIRE_WS_SERVER)
  /// Speaks a legacy revision; then it has to begin with `initialize`.
  let isLegacy: Bool
  var isInitialized = false
  var pending: [Int: SimulatedCall] = [:]

  init(isLegacy: Bool) { self.isLegacy = isLegacy }
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
