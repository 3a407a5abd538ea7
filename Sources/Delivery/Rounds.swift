import MCP
import ServedCatalogue
import Sessions
import Wire
import Workers

/// Tells the sessions that a worker keeps, and its listens, that lists have changed.
final class ListRound: Round {
  private let context: DeliveryContext
  private let messages: SessionMessages
  private let listens: ClientListens
  private let change: ListChange
  private let notices = ListNotices()
  /// Where the last slice of the worker's sessions began.
  private var place = Int.max
  private var hearers: [ListenStream]?
  private var next = 0
  private var isOver = false

  init(_ change: ListChange, _ context: DeliveryContext, _ messages: SessionMessages, _ listens: ClientListens) {
    self.change = change
    self.context = context
    self.messages = messages
    self.listens = listens
  }

  func tell(atMost count: Int) -> Int {
    guard !isOver else { return 0 }
    var told = tellSessions(atMost: count)
    guard told < count else { return told }
    let hearers = self.hearers ?? listens.acknowledged
    self.hearers = hearers
    while told < count, next < hearers.count {
      listens.tell(change, on: hearers[next])
      next += 1
      told += 1
    }
    guard told < count else { return told }
    isOver = true
    context.shared.listNews.finished(change)
    return told
  }

  private func tellSessions(atMost count: Int) -> Int {
    guard place > 0, !change.forSessions.isEmpty else { return 0 }
    let sessions = context.sessions.table.slice(of: context.index, before: &place, atMost: count)
    // Who sees something else is told of what changes for it.
    for session in sessions where session.claim(change.serial) && session.overlay == nil {
      notices.tell(change.forSessions[session.view], to: session, through: messages)
    }
    notices.finish(through: messages)
    return sessions.count
  }
}

/// Tells sessions that named a resource of its change, each under the name by which it knows that.
final class SessionUpdateRound: Round {
  private let update: ResourceUpdate
  private let notifications: ResourceNotifications
  private var hearers: Hearers<SessionID>

  init(
    _ update: ResourceUpdate, _ groups: [Audience<SessionID>.Group], _ sessions: SessionTable,
    _ messages: SessionMessages
  ) {
    self.update = update
    hearers = update.hearers(among: groups)
    notifications = ResourceNotifications(update, sessions, messages)
  }

  func tell(atMost count: Int) -> Int {
    let told = hearers.forNext(count) { id, named, below in
      notifications.tell(id) { update.name(for: named, below: below, seeing: $0) }
    }
    notifications.finish()
    return told
  }
}

/// Tells sessions the same that subscribed in a conversation that they share.
final class SubscriberUpdateRound: Round {
  private let update: ResourceUpdate
  private let notifications: ResourceNotifications
  private var subscribers: Dictionary<SessionID, NamedResource>.Iterator

  init(
    _ update: ResourceUpdate, _ subscribers: [SessionID: NamedResource], _ sessions: SessionTable,
    _ messages: SessionMessages
  ) {
    self.update = update
    self.subscribers = subscribers.makeIterator()
    notifications = ResourceNotifications(update, sessions, messages)
  }

  func tell(atMost count: Int) -> Int {
    var told = 0
    while told < count, let (id, named) = subscribers.next() {
      notifications.tell(id) { update.name(for: named, seeing: $0) }
      told += 1
    }
    notifications.finish()
    return told
  }
}

/// Tells the listens of a worker the same.
final class ListenUpdateRound: Round {
  private let listens: ClientListens
  private let update: ResourceUpdate
  private var hearers: Hearers<ListenStream>
  // Most know it by one name, so the latest is looked at first.
  private var notifications: [(name: [UInt8], text: ListenNotification?)] = []

  init(_ update: ResourceUpdate, _ groups: [Audience<ListenStream>.Group], _ listens: ClientListens) {
    self.listens = listens
    self.update = update
    hearers = update.hearers(among: groups)
  }

  func tell(atMost count: Int) -> Int {
    let (listens, update) = (listens, update)
    return hearers.forNext(count) { stream, named, below in
      guard let listen = listens.find(stream), listen.isAcknowledged,
        let name = update.name(for: named, below: below, seeing: listen.view)
      else { return }
      guard let place = notifications.lastIndex(where: { $0.name == name }) else {
        let text = ListenNotification(update, named: name)
        notifications.append((name, text))
        if let text { listens.write(text, on: stream, listen) }
        return
      }
      if let text = notifications[place].text { listens.write(text, on: stream, listen) }
    }
  }
}

/// Tells something to everybody who shares a conversation with a server.
final class SharersRound: Round {
  private let sessions: SessionTable
  private let messages: SessionMessages
  private let announcement: Announcement
  private let sharers: Sharers
  private var keeper = 0
  private var place = Int.max

  init(_ announcement: Announcement, _ sharers: Sharers, _ sessions: SessionTable, _ messages: SessionMessages) {
    self.sessions = sessions
    self.messages = messages
    self.announcement = announcement
    self.sharers = sharers
  }

  func tell(atMost count: Int) -> Int {
    var looked = 0
    while looked < count, keeper < sessions.workerCount {
      let some = sessions.slice(of: keeper, before: &place, atMost: count - looked)
      looked += some.count
      for session in some where sharers.contains(session) { announcement.tell(session, through: messages) }
      guard place == 0 else { continue }
      keeper += 1
      place = .max
    }
    announcement.finish(through: messages)
    return looked
  }
}

/// Tells something to sessions that are known by name.
final class SessionsRound: Round {
  private let sessions: SessionTable
  private let messages: SessionMessages
  private let announcement: Announcement
  private let names: [SessionID]
  private var next = 0

  init(_ announcement: Announcement, _ names: [SessionID], _ sessions: SessionTable, _ messages: SessionMessages) {
    self.sessions = sessions
    self.messages = messages
    self.announcement = announcement
    self.names = names
  }

  func tell(atMost count: Int) -> Int {
    let end = min(next + count, names.count)
    defer { next = end }
    for id in names[next..<end] {
      if let session = sessions.find(id) { announcement.tell(session, through: messages) }
    }
    announcement.finish(through: messages)
    return end - next
  }
}
