import Catalogue
import Reactor
import Sessions

/// What one loop has to tell clients of another's.
public enum DeliveryLetter: Sendable {
  /// For a stream that is written there.
  case event(EventParcel)
  /// For a WebSocket, or several.
  case message([UInt8], to: ConnectionID)
  case broadcast([UInt8], to: [ConnectionID])
  case listsChanged(ListChange)
  case resourceUpdated(ResourceUpdate)
  /// The stream that a connection reads has come to its end.
  case endReading(ConnectionID, of: Session)
  /// Another connection has taken it up.
  case dropReader(ConnectionID, of: Session)
  /// The session is gone: its stream ends, and what it has under way there.
  case sessionEnded(ConnectionID, of: Session)
  case abandonCalls(of: Session)
  /// A session that is kept there is to end; that is called when it has.
  case end(Session, @Sendable () -> Void)
  /// The server that some clients look at alone is there no more.
  case serverGone(CatalogueView)
  /// Servers know who is interested in what, as they were to be told under that number.
  case interestNoted(UInt64)
  /// There is more to tell in the next turn.
  case goOn
}
