import Reactor
import SessionStore
import Sessions
import Wire

/// Messages that belong to no call, for sessions wherever they are read or hold a WebSocket.
public final class SessionMessages {
  private let context: DeliveryContext
  private let streams: SessionStreams
  private let sockets: WebSocketTransport

  init(_ context: DeliveryContext, _ streams: SessionStreams, _ sockets: WebSocketTransport) {
    self.context = context
    self.streams = streams
    self.sockets = sockets
  }

  /// A message on one of the session's streams, or over its WebSocket.
  ///
  /// False if it has none, and the message is lost.
  /// - Parameter isKnown: whether a process that takes this one's place comes to know of it by itself.
  @discardableResult
  public func emit(_ message: RawSpan, to session: Session, isKnown: Bool = false) -> Bool {
    guard let socket = session.socket else {
      return streams.emit(EventLog.encode(message), to: session, isKnown: isKnown)
    }
    if socket.worker == context.index {
      sockets.send(message, .socket(socket))
    } else {
      let bytes = message.array
      context.send(.message(bytes, to: socket), to: socket.worker)
    }
    return true
  }

  /// An event, encoded, for a session without a WebSocket.
  func emit(_ event: Frame, to session: Session, isKnown: Bool) { streams.emit(event, to: session, isKnown: isKnown) }

  /// The same message over WebSockets of one worker.
  func broadcast(_ message: [UInt8], to sockets: [ConnectionID], on worker: Int) {
    context.hand(.broadcast(message, to: sockets), to: worker)
  }
}
