import MCP
import Synchronization
import Wire

/// All legacy sessions of the process. Every worker looks sessions up, so the table is cut into shards with a lock
/// each; a look-up holds one for the time of one dictionary access and allocates nothing.
final class SessionTable: Sendable {
  private static let shardCount = 64

  private final class Shard: Sendable {
    let sessions = Mutex<[SessionID: Session]>([:])
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
    guard count.add(1, ordering: .relaxed).newValue <= maximum else {
      count.subtract(1, ordering: .relaxed)
      return false
    }
    shard(of: session.id).sessions.withLock { $0[session.id] = session }
    return true
  }

  func find(_ id: SessionID) -> Session? {
    shard(of: id).sessions.withLock { $0[id] }
  }

  func remove(_ id: SessionID) -> Session? {
    let removed = shard(of: id).sessions.withLock { $0.removeValue(forKey: id) }
    if removed != nil { count.subtract(1, ordering: .relaxed) }
    return removed
  }

  /// A copy of what is there now.
  var all: [Session] {
    shards.flatMap { shard in shard.sessions.withLock { Array($0.values) } }
  }

  private func shard(of id: SessionID) -> Shard {
    // The id's own bits are random.
    shards[Int(truncatingIfNeeded: id.low % UInt64(Self.shardCount))]
  }
}
