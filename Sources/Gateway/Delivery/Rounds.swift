import MCP
import Reactor
import Wire

/// The notifications that lists have changed, each encoded once for all sessions.
final class ListNotices {
  private var announcements: [Announcement?] = Array(repeating: nil, count: ListKind.allCases.count)

  /// Tells a session of those kinds that its client was promised to hear of.
  func tell(_ changed: ListKinds, to session: Session, on worker: Worker) {
    guard !changed.isEmpty else { return }
    for (place, kind) in ListKind.allCases.enumerated()
    where kind.isTold(among: changed) && session.announcedLists.contains(ListKinds(kind)) {
      announcement(kind, place).tell(session, on: worker)
    }
  }

  private func announcement(_ kind: ListKind, _ place: Int) -> Announcement {
    if let known = announcements[place] { return known }
    var message = ByteBuffer(capacity: 96)
    message.append(changed: kind, subscriptionID: nil)
    let made = Announcement(message.bytes.array, isKnown: true)
    announcements[place] = made
    return made
  }

  func finish(on worker: Worker) {
    for announcement in announcements { announcement?.finish(on: worker) }
  }
}

extension ListKind {
  /// Whether a change of that kind is to be told. Templates have no notification of their own: that of the resources tells
  /// of both.
  func isTold(among changed: ListKinds) -> Bool {
    guard changed.contains(ListKinds(self)) else { return false }
    return self != .templates || !changed.contains(.resources)
  }
}

/// Tells the sessions that a worker keeps, and its listens, that lists have changed.
final class ListRound: Round {
  private unowned let worker: Worker
  private let change: ListChange
  private let notices = ListNotices()
  /// Where the last slice of the worker's sessions began.
  private var place = Int.max
  private var listens: [ListenStream]?
  private var next = 0
  private var isOver = false

  init(_ change: ListChange, on worker: Worker) {
    self.worker = worker
    self.change = change
  }

  func tell(atMost count: Int) -> Int {
    guard !isOver else { return 0 }
    var told = tellSessions(atMost: count)
    guard told < count else { return told }
    let listens = self.listens ?? worker.delivery.acknowledgedListens
    self.listens = listens
    while told < count, next < listens.count {
      worker.delivery.tell(change, on: listens[next])
      next += 1
      told += 1
    }
    guard told < count else { return told }
    isOver = true
    worker.gateway.listNews.finished(change)
    return told
  }

  private func tellSessions(atMost count: Int) -> Int {
    guard place > 0, !change.forSessions.isEmpty else { return 0 }
    let sessions = worker.gateway.sessions.slice(of: worker.index, before: &place, atMost: count)
    // Who sees something else is told of what changes for it.
    for session in sessions where session.claim(change.serial) && session.overlay == nil {
      notices.tell(change.forSessions[session.view], to: session, on: worker)
    }
    notices.finish(on: worker)
    return sessions.count
  }
}

/// Tells sessions that named a resource of its change, each under the name by which it knows that.
final class SessionUpdateRound: Round {
  private unowned let worker: Worker
  private let update: ResourceUpdate
  private let notifications: ResourceNotifications
  private var hearers: Hearers<SessionID>

  init(_ update: ResourceUpdate, _ groups: [Audience<SessionID>.Group], on worker: Worker) {
    self.worker = worker
    self.update = update
    hearers = update.hearers(among: groups)
    notifications = ResourceNotifications(update)
  }

  func tell(atMost count: Int) -> Int {
    let told = hearers.forNext(count) { id, named, below in
      notifications.tell(id, on: worker) { update.name(for: named, below: below, seeing: $0) }
    }
    notifications.finish(on: worker)
    return told
  }
}

/// Tells sessions the same that subscribed in a conversation that they share.
final class SubscriberUpdateRound: Round {
  private unowned let worker: Worker
  private let update: ResourceUpdate
  private let notifications: ResourceNotifications
  private var subscribers: Dictionary<SessionID, NamedResource>.Iterator

  init(_ update: ResourceUpdate, _ subscribers: [SessionID: NamedResource], on worker: Worker) {
    self.worker = worker
    self.update = update
    self.subscribers = subscribers.makeIterator()
    notifications = ResourceNotifications(update)
  }

  func tell(atMost count: Int) -> Int {
    var told = 0
    while told < count, let (id, named) = subscribers.next() {
      notifications.tell(id, on: worker) { update.name(for: named, seeing: $0) }
      told += 1
    }
    notifications.finish(on: worker)
    return told
  }
}

/// Tells the listens of a worker the same.
final class ListenUpdateRound: Round {
  private unowned let worker: Worker
  private let update: ResourceUpdate
  private var hearers: Hearers<ListenStream>
  // Most know it by one name, so the latest is looked at first.
  private var notifications: [(name: [UInt8], text: ListenNotification?)] = []

  init(_ update: ResourceUpdate, _ groups: [Audience<ListenStream>.Group], on worker: Worker) {
    self.worker = worker
    self.update = update
    hearers = update.hearers(among: groups)
  }

  func tell(atMost count: Int) -> Int {
    let (worker, update) = (worker, update)
    return hearers.forNext(count) { stream, named, below in
      guard let listen = worker.listens[stream], listen.isAcknowledged,
        let name = update.name(for: named, below: below, seeing: listen.view)
      else { return }
      guard let place = notifications.lastIndex(where: { $0.name == name }) else {
        let text = ListenNotification(update, named: name)
        notifications.append((name, text))
        if let text { worker.write(text, on: stream, listen) }
        return
      }
      if let text = notifications[place].text { worker.write(text, on: stream, listen) }
    }
  }
}

/// Tells something to everybody who shares a conversation with a server.
final class SharersRound: Round {
  private unowned let worker: Worker
  private let announcement: Announcement
  private let sharers: Sharers
  private var keeper = 0
  private var place = Int.max

  init(_ announcement: Announcement, _ sharers: Sharers, on worker: Worker) {
    self.worker = worker
    self.announcement = announcement
    self.sharers = sharers
  }

  func tell(atMost count: Int) -> Int {
    let sessions = worker.gateway.sessions
    var looked = 0
    while looked < count, keeper < worker.gateway.workerCount {
      let some = sessions.slice(of: keeper, before: &place, atMost: count - looked)
      looked += some.count
      for session in some where sharers.contains(session) { announcement.tell(session, on: worker) }
      guard place == 0 else { continue }
      keeper += 1
      place = .max
    }
    announcement.finish(on: worker)
    return looked
  }
}

/// Tells something to sessions that are known by name.
final class SessionsRound: Round {
  private unowned let worker: Worker
  private let announcement: Announcement
  private let sessions: [SessionID]
  private var next = 0

  init(_ announcement: Announcement, _ sessions: [SessionID], on worker: Worker) {
    self.worker = worker
    self.announcement = announcement
    self.sessions = sessions
  }

  func tell(atMost count: Int) -> Int {
    let end = min(next + count, sessions.count)
    defer { next = end }
    for id in sessions[next..<end] {
      if let session = worker.gateway.sessions.find(id) { announcement.tell(session, on: worker) }
    }
    announcement.finish(on: worker)
    return end - next
  }
}
