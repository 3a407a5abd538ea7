import Reactor
import SessionStore
import Sessions

/// An event on its way to the worker that writes its stream.
public struct EventParcel: Sendable {
  public var event: EventLog.Event
  public var reader: ConnectionID
  public var session: Session
  /// The stream counts it as under way until it has arrived.
  public var isCounted: Bool

  public init(event: EventLog.Event, reader: ConnectionID, session: Session, isCounted: Bool) {
    self.event = event
    self.reader = reader
    self.session = session
    self.isCounted = isCounted
  }
}
