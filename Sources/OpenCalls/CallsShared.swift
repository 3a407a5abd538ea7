import Sessions
import Synchronization
import Workers

/// What the calls of all workers share.
public final class CallsShared: Sendable {
  public let group: WorkerGroup
  let sessions: SessionsShared
  public let mail: Mailboxes<CallLetter>
  private let servers = Mutex<(any CallsDelegate)?>(nil)

  public init(_ group: WorkerGroup, _ sessions: SessionsShared) {
    self.group = group
    self.sessions = sessions
    mail = Mailboxes(group)
  }

  /// Who looks after the servers; nil before that begins, and after its end.
  public var delegate: (any CallsDelegate)? { servers.withLock { $0 } }
  public func connect(to delegate: (any CallsDelegate)?) { servers.withLock { $0 = delegate } }
}
