import Synchronization

/// What the calls of all workers share.
final class CallsShared: Sendable {
  let group: WorkerGroup
  let sessions: SessionsShared
  let mail: Mailboxes<CallLetter>
  private let servers = Mutex<(any CallsDelegate)?>(nil)

  init(_ group: WorkerGroup, _ sessions: SessionsShared) {
    self.group = group
    self.sessions = sessions
    mail = Mailboxes(group)
  }

  /// Who looks after the servers; nil before that begins, and after its end.
  var delegate: (any CallsDelegate)? { servers.withLock { $0 } }
  func connect(to delegate: (any CallsDelegate)?) { servers.withLock { $0 = delegate } }
}
