import Reactor
import Synchronization

/// An event on its way to the worker that writes its stream.
struct EventParcel: Sendable {
  var event: EventLog.Event
  var reader: ConnectionID
  var session: Session
  /// The stream counts it as under way until it has arrived.
  var isCounted: Bool
}

/// Events for the streams of one loop, from the others. Told in the order in which they were sent; the loop is woken
/// once for all that wait, and none of them allocates.
final class EventOutbox: Sendable {
  private let waiting = Mutex<[EventParcel]>([])

  /// True if nothing waited, and the loop is to be woken.
  func add(_ parcel: EventParcel) -> Bool {
    waiting.withLock { waiting in
      waiting.append(parcel)
      return waiting.count == 1
    }
  }

  /// All that waits, in exchange for an empty array whose memory is used again.
  func take(giving spare: inout [EventParcel]) -> [EventParcel] {
    var taken: [EventParcel] = []
    swap(&taken, &spare)
    waiting.withLock { swap(&$0, &taken) }
    return taken
  }
}
