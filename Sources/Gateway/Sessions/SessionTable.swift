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
  private let count = Atomic<Int>(0)
  private let most: Atomic<Int>

  init(maximum: Int) {
    most = Atomic(maximum)
  }

  /// Sessions that there may be. Those that are there already stay.
  var maximum: Int {
    get { most.load(ordering: .relaxed) }
    set { most.store(newValue, ordering: .relaxed) }
  }

  /// Sessions alive.
  var size: Int { count.load(ordering: .relaxed) }

  /// False, and nothing is kept, when there are as many as there may be.
  func insert(_ session: Session) -> Bool {
    let isRoom = count.add(1, ordering: .relaxed).newValue <= maximum
    let isKept =
      isRoom
      && shard(of: session.id).sessions.withLock { sessions in
        guard sessions[session.id.key] == nil else { return false }
        sessions[session.id.key] = session
        return true
      }
    if !isKept { count.subtract(1, ordering: .relaxed) }
    return isKept
  }

  func find(_ id: SessionID) -> Session? {
    guard let session = shard(of: id).sessions.withLock({ $0[id.key] }), session.id == id else { return nil }
    return session
  }

  func remove(_ id: SessionID) -> Session? {
    let removed = shard(of: id).sessions.withLock { sessions in
      sessions[id.key]?.id == id ? sessions.removeValue(forKey: id.key) : nil
    }
    if removed != nil { count.subtract(1, ordering: .relaxed) }
    return removed
  }

  /// A copy of what is there now.
  var all: [Session] {
    shards.flatMap { shard in shard.sessions.withLock { Array($0.values) } }
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
