import Reactor
import SessionStore
import Sessions
import Wire

/// One message for many sessions, encoded once for each way in which they hear of it. Belongs to the worker that makes it,
/// which tells sessions, and calls `finish` after some and after the last.
public final class Announcement {
  private let message: [UInt8]
  /// Whether a process that takes this one's place comes to know of it by itself.
  private let isKnown: Bool
  private var encoded: Frame?
  /// WebSockets that are to get it, by the worker that holds them.
  private var sockets: [Int: [ConnectionID]] = [:]

  public init(_ message: [UInt8], isKnown: Bool = false) {
    self.message = message
    self.isKnown = isKnown
  }

  private var event: Frame {
    if let encoded { return encoded }
    let message = message
    let made = EventLog.encode(message.rawBytes)
    encoded = made
    return made
  }

  func tell(_ session: Session, through messages: SessionMessages) {
    if let socket = session.socket {
      sockets[socket.worker, default: []].append(socket)
    } else {
      messages.emit(event, to: session, isKnown: isKnown)
    }
  }

  /// Each worker encodes it once for all of its WebSockets.
  func finish(through messages: SessionMessages) {
    guard !sockets.isEmpty else { return }
    for (holder, connections) in sockets { messages.broadcast(message, to: connections, on: holder) }
    sockets = [:]
  }
}
