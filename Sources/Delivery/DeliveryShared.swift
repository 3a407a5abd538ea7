import Reactor
import ServedCatalogue
import Sessions
import Wire
import Workers

/// What all loops share of what goes to clients.
public final class DeliveryShared: Sendable {
  let group: WorkerGroup
  public let sessions: SessionsShared
  public let mail: Mailboxes<DeliveryLetter>
  public let listNews = ListNews()
  /// Goes out on a stream on which nothing else does.
  let heartbeat: Frame

  public init(_ group: WorkerGroup, _ sessions: SessionsShared) {
    self.group = group
    self.sessions = sessions
    mail = Mailboxes(group, mostPerTurn: FanOut.letters)
    heartbeat = Frame(copying: (": heartbeat\n\n" as StaticString).bytes)
  }

  /// Takes an event to the loop that writes its stream.
  func send(_ parcel: EventParcel) { mail.send(.event(parcel), to: parcel.reader.worker) }

  /// All clients are to hear that lists have changed, sooner or later: each worker tells its own.
  public func announce(forSessions sessions: ListChanges, forListens listens: ListChanges) {
    guard !sessions.isEmpty || !listens.isEmpty else { return }
    mail.sendToWorkers(
      .listsChanged(listNews.begin(forSessions: sessions, forListens: listens, workers: group.workerCount)))
  }
}
