import MCP
import Workers

/// Has streams that nobody reads forget what they have brought, until so many bytes are free: those of the client that has most
/// of them first. All sessions are looked at for that, and then as many forget as is needed, a few in each turn of who does it.
public struct ReplayRelief {
  private struct Entry {
    let session: Session
    let bytes: Int
  }

  /// Sessions of one turn.
  private let most: Int
  private var walk: SessionWalk
  /// Those that have such bytes. One that the walk meets twice counts twice, which is of little weight: it frees them once.
  private var heavy: [Entry] = []
  private var sums: [Party: Int] = [:]
  /// Bytes that are to be freed, of which a turn may want more or less than the one before.
  private var wanted: UInt64
  private(set) var freed = 0
  public private(set) var isOver = false

  public init(of wanted: UInt64, in table: SessionTable, atMost most: Int = SessionWalk.most) {
    self.wanted = wanted
    self.most = most
    walk = SessionWalk(over: table, atMost: most)
  }

  /// It is known by now that so many bytes are to be freed from here on.
  public mutating func adopt(_ more: UInt64) { wanted = UInt64(freed) &+ min(more, UInt64.max - UInt64(freed)) }

  /// The next turn.
  public mutating func next() {
    if let some = walk.next() {
      weigh(some)
      if walk.isOver { sort() }
    } else {
      forget()
    }
    isOver = walk.isOver && (heavy.isEmpty || freed >= wanted)
  }

  private mutating func weigh(_ sessions: [Session]) {
    for session in sessions {
      let bytes = session.withState { $0.log.unreadBytes }
      guard bytes > 0 else { continue }
      heavy.append(Entry(session: session, bytes: bytes))
      sums[session.party, default: 0] += bytes
    }
  }

  /// The first to forget at the end. Of one client's that is the largest; which of two equal clients comes first does not
  /// matter.
  private mutating func sort() {
    let ranked = heavy.map { (sum: sums[$0.session.party, default: 0], entry: $0) }
    heavy = ranked.sorted { ($0.sum, $0.entry.bytes) < ($1.sum, $1.entry.bytes) }.map(\.entry)
    sums = [:]
  }

  private mutating func forget() {
    for _ in 0..<most where freed < wanted {
      guard let entry = heavy.popLast() else { return }
      freed += entry.session.withState { $0.log.forgetUnread() }
    }
  }
}
