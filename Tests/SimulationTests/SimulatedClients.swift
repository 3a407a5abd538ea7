import CReactor
import Foundation

/// A request on its way and what may come of it: exactly one answer with its id, or the end of its connection.
final class SimulatedCall {
  let id: Int
  /// What an echo must say; nil for other calls.
  let text: String?
  let session: SimulatedSession?
  var answers = 0
  var isOver = false
  /// Where its stream can be taken up again.
  var lastEventID: String?

  init(id: Int, text: String?, session: SimulatedSession?) {
    self.id = id
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

/// One connection of a client.
final class SimulatedConnection {
  enum Use {
    case idle
    case opening(SimulatedSession, SimulatedCall)
    case call(SimulatedCall)
    /// GET of a session, perhaps taking up a call's stream.
    case stream(SimulatedSession, SimulatedCall?)
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

  init(_ peer: MemoryPeer, worker: Int) {
    self.peer = peer
    self.worker = worker
  }

  var isFree: Bool {
    if case .idle = use { !hasEnded } else { false }
  }
}
