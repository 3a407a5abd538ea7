import MCP
import Synchronization
import Wire

/// What the upstream clients of all loops share.
final class UpstreamShared: Sendable {
  /// Conversations that no client has to itself.
  let sessions = UpstreamSessions()
  let mail: Mailboxes<UpstreamLetter>
  let census = LinkCensus()
  /// What the gateway says of itself, and the same encoded: an Implementation object.
  let identity: Identity
  let identityObject: [UInt8]
  /// The `_meta` of requests to modern upstreams: of the gateway's own, and with each log level.
  let meta: RequestMeta
  private let leveledMeta: [RequestMeta]

  init(_ group: WorkerGroup, _ identity: Identity) {
    self.identity = identity
    var encoded = ByteBuffer()
    encoded.append(identity)
    identityObject = encoded.bytes.array
    meta = RequestMeta(identity)
    leveledMeta = LogLevel.allCases.map { RequestMeta(identity, logLevel: $0) }
    mail = Mailboxes(group)
  }

  /// The `_meta` for a client that wants to hear of logs from this level on.
  func requestMeta(_ level: LogLevel?) -> RequestMeta { level.map { leveledMeta[Int($0.rawValue)] } ?? meta }

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
