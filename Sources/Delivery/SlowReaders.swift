import Reactor
import Sessions
import Workers

/// Clients of one worker that do not read what is sent to them, though nothing can be paused for that.
final class SlowReaders {
  private let context: WorkerContext
  private var unread = UnreadResults()
  /// Ends a client's connection; set once, by who knows what that is at.
  var cut: ((ConnectionID) -> Void)?

  init(_ context: DeliveryContext) { self.context = context.worker }

  /// An answer, or what came before it, waits for a client, and its source goes on.
  func note(_ connection: ConnectionID, of session: Session?) {
    let party = session?.party ?? context.party(of: connection)
    let ended = unread.add(
      connection, of: party, atMost: context.settings.unreadLimit, queued: context.loop.queued)
    for slow in ended { cut?(slow) }
  }
}
