import Clusters
import MCP
import Synchronization
import Translation
import Wire
import Workers

/// What the upstream clients of all loops share.
public final class UpstreamShared: Sendable {
  /// Conversations that no client has to itself.
  public let sessions = UpstreamSessions()
  public let mail: Mailboxes<UpstreamLetter>
  public let census = LinkCensus()
  /// What the gateway says of itself, and the same encoded: an Implementation object.
  public let identity: Identity
  public let identityObject: [UInt8]
  /// The `_meta` of requests to modern upstreams: of the gateway's own, and with each log level.
  public let meta: RequestMeta
  private let leveledMeta: [RequestMeta]

  public init(_ group: WorkerGroup, _ identity: Identity) {
    self.identity = identity
    var encoded = ByteBuffer()
    encoded.append(identity)
    identityObject = encoded.bytes.array
    meta = RequestMeta(identity)
    leveledMeta = LogLevel.allCases.map { RequestMeta(identity, logLevel: $0) }
    mail = Mailboxes(group)
  }

  /// The `_meta` for a client that wants to hear of logs from this level on.
  public func requestMeta(_ level: LogLevel?) -> RequestMeta { level.map { leveledMeta[Int($0.rawValue)] } ?? meta }

  /// Requests that waited for a conversation go on, or fail.
  public func resume(_ waiters: [RequestID], failure: Unopened?) {
    for waiter in waiters where waiter != .none {
      mail.send(.resume(waiter, failure: failure), to: waiter.worker)
    }
  }
}

/// Links that are not closed yet.
public final class LinkCensus: Sendable {
  public let live = Atomic<Int>(0)
}
