import MCP
import Sessions
import Translation
import Wire

/// The notifications that lists have changed, each encoded once for all sessions.
final class ListNotices {
  private var announcements: [Announcement?] = Array(repeating: nil, count: ListKind.allCases.count)

  /// Tells a session of those kinds that its client was promised to hear of.
  func tell(_ changed: ListKinds, to session: Session, through messages: SessionMessages) {
    guard !changed.isEmpty else { return }
    for (place, kind) in ListKind.allCases.enumerated()
    where kind.isTold(among: changed) && session.announcedLists.contains(ListKinds(kind)) {
      announcement(kind, place).tell(session, through: messages)
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

  func finish(through messages: SessionMessages) {
    for announcement in announcements { announcement?.finish(through: messages) }
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
