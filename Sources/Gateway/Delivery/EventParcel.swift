import Reactor

/// An event on its way to the worker that writes its stream.
struct EventParcel: Sendable {
  var event: EventLog.Event
  var reader: ConnectionID
  var session: Session
  /// The stream counts it as under way until it has arrived.
  var isCounted: Bool
}
