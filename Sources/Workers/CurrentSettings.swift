import Synchronization

/// The settings of the moment. Each loop has a reference of its own, so that nobody waits for a lock on the path of a request,
/// and takes up others by letter.
public final class CurrentSettings: Sendable {
  public let mail: Mailboxes<Settings>
  private let group: WorkerGroup
  private let current: Mutex<Settings>

  public init(_ group: WorkerGroup, _ settings: Settings) {
    self.group = group
    mail = Mailboxes(group)
    current = Mutex(settings)
  }

  public var value: Settings { current.withLock { $0 } }

  /// The configuration was read again.
  public func adopt(_ settings: Settings) {
    current.withLock { $0 = settings }
    for loop in 0..<group.loopCount { mail.send(settings, to: loop) }
  }
}
