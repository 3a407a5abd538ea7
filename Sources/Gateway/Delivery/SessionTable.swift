import MCP
import Synchronization
import Wire

/// All legacy sessions of the process. Every worker looks sessions up, so the table is cut into shards with a lock
/// each; a look-up holds one for the time of one dictionary access and allocates nothing.
final class SessionTable: Sendable {
  private static let shardCount = 64

  private final class Shard: Sendable {
    /// By half of the id, which is random enough.
    let sessions = Mutex<[PlainKey: Session]>([:])
  }

  private let shards = (0..<shardCount).map { _ in Shard() }
  /// Asked where sessions are opened and ended, and nowhere else.
  private let census: Mutex<(census: SessionCensus, bounds: SessionCensus.Bounds)>

  init(_ bounds: SessionCensus.Bounds) {
    census = Mutex((SessionCensus(), bounds))
  }

  /// Sessions that there may be. Those that are there already stay.
  func adopt(_ bounds: SessionCensus.Bounds) { census.withLock { $0.bounds = bounds } }

  /// Sessions alive.
  var size: Int { census.withLock { $0.census.count } }

  /// Keeps a session. With `inPlaceOf` another is to be ended for it; with `full` it is not kept.
  func insert(_ session: Session, now: UInt64) -> SessionCensus.Admission {
    let id = session.id
    let isTransient = session.transport == .streamableHTTP
    // Before it is counted: the census looks at what it knows.
    let isKept = shard(of: id).sessions.withLock { sessions in
      guard sessions[id.key] == nil else { return false }
      sessions[id.key] = session
      return true
    }
    guard isKept else { return .full }
    let admission = census.withLock { state in
      let bounds = state.bounds
      return state.census.admit(id, of: session.party, isTransient: isTransient, within: bounds, now: now) { other in
        find(other)?.use ?? .gone
      }
    }
    if case .full = admission { _ = shard(of: id).sessions.withLock { $0.removeValue(forKey: id.key) } }
    return admission
  }

  func find(_ id: SessionID) -> Session? {
    guard let session = shard(of: id).sessions.withLock({ $0[id.key] }), session.id == id else { return nil }
    return session
  }

  func remove(_ id: SessionID) -> Session? {
    let removed = shard(of: id).sessions.withLock { sessions in
      sessions[id.key]?.id == id ? sessions.removeValue(forKey: id.key) : nil
    }
    if let removed { census.withLock { $0.census.leave(removed.party) } }
    return removed
  }

  /// A copy of what is there now.
  var all: [Session] {
    shards.flatMap { shard in shard.sessions.withLock { Array($0.values) } }
  }

  /// Has streams that nobody reads forget what they have brought, until so many bytes are free: those of the client that
  /// has most of them first. The bytes that this frees.
  func giveUpReplays(_ wanted: UInt64) -> Int {
    var heavy: [(session: Session, bytes: Int)] = []
    var sums: [Party: Int] = [:]
    for session in all {
      let bytes = session.withState { $0.log.unreadBytes }
      guard bytes > 0 else { continue }
      heavy.append((session, bytes))
      sums[session.party, default: 0] += bytes
    }
    // Of one client's the largest first; which of two equal clients comes first does not matter.
    heavy.sort { (sums[$0.session.party]!, $0.bytes) > (sums[$1.session.party]!, $1.bytes) }
    var freed = 0
    for (session, _) in heavy where freed < wanted { freed += session.withState { $0.log.forgetUnread() } }
    return freed
  }

  private func shard(of id: SessionID) -> Shard {
    // The id's own bits are random; the half that the shard does not look at.
    shards[Int(truncatingIfNeeded: id.high % UInt64(Self.shardCount))]
  }
}

extension SessionID {
  /// The half that names a session within its shard.
  fileprivate var key: PlainKey { PlainKey(low) }
}
