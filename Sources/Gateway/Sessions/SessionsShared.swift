import MCP
import Reactor
import Synchronization
import Wire

/// What all loops share of clients' sessions.
final class SessionsShared: Sendable {
  let table: SessionTable
  let keys: SessionKeys
  let ended: EndedJournal
  let interests = Interests()
  /// Another process that lives beside this one: the one that takes its place, and the one whose place it takes.
  let successor = RelayPlace()
  let predecessor = RelayPlace()
  let inheritance = Inheritance()
  /// Streams for messages of no call are the successor's, also of sessions that are opened from here on.
  let hasLeft = Atomic<Bool>(false)

  init(_ bounds: SessionCensus.Bounds, workers: Int, keys: SessionKeys, ended: EndedJournal) {
    table = SessionTable(bounds, workers: workers)
    self.keys = keys
    self.ended = ended
  }

  /// Whether this process passes on what one before it and one after it tell each other.
  var isBetween: Bool { predecessor.relay != nil && successor.relay != nil }
}

/// What the process that takes this one's place is told, while this one still serves.
extension SessionsShared {
  /// Makes an encoded message the next event of a stream, here and in the process that takes this one's place.
  func append(
    _ frame: Frame, to stream: EventLog.StreamNumber, of session: Session, last: Bool
  ) -> EventLog.Delivery? {
    session.withState { state in
      guard let delivery = state.log.append(frame, to: stream, last: last) else { return nil }
      tell(of: stream, frame, in: state, session)
      return delivery
    }
  }

  /// Tells the process that takes this one's place what was added last to a stream. Within the session's lock, so that it
  /// comes to know in order.
  func tell(
    of stream: EventLog.StreamNumber, _ frame: Frame? = nil, in state: borrowing Session.State, _ session: Session
  ) {
    guard let relay = successor.relay, session.transport == .streamableHTTP,
      var piece = state.log.latestPiece(of: stream)
    else { return }
    piece.frame = frame
    relay.add(SessionRecord(session.id, .piece(piece)))
  }

  /// The same of what its client has settled.
  func tell(_ state: borrowing Session.State, of session: Session) {
    guard let relay = successor.relay, session.transport == .streamableHTTP else { return }
    relay.add(SessionRecord(session.id, .settled(session.settled(state))))
  }

  /// And of what it subscribes to.
  func tell(_ uri: [UInt8], isWanted: Bool, of session: Session) {
    guard let relay = successor.relay, session.transport == .streamableHTTP else { return }
    relay.add(SessionRecord(session.id, .subscription(uri, isWanted: isWanted)))
  }
}

extension Session {
  func settled(_ state: borrowing State) -> SessionRecord.Settled {
    SessionRecord.Settled(
      revision: revision, abilities: abilities, lists: announcedLists, logLevel: state.logLevel)
  }
}
