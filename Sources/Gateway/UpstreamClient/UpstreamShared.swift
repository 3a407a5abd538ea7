import MCP
import Synchronization

/// What the upstream clients of all loops share.
final class UpstreamShared: Sendable {
  /// Conversations that no client has to itself.
  let sessions = UpstreamSessions()
  let mail: Mailboxes<UpstreamLetter>
  let census = LinkCensus()
  /// What the gateway says of itself, and the `_meta` of its own requests.
  let identity: Identity
  let meta: RequestMeta

  init(_ group: WorkerGroup, _ identity: Identity, meta: RequestMeta) {
    self.identity = identity
    mail = Mailboxes(group)
    self.meta = meta
  }

  /// Requests that waited for a conversation go on, or fail.
  func resume(_ waiters: [RequestID], failure: String?) {
    for waiter in waiters where waiter != .none {
      mail.send(.resume(waiter, failure: failure), to: waiter.worker)
    }
  }
}

/// Links that are not closed yet.
final class LinkCensus: Sendable {
  let live = Atomic<Int>(0)
}
