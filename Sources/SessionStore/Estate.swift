import MCP
import Wire

/// What a process knows of the sessions of the one whose place it takes, until their clients come: as records, which are
/// read when they are needed. A value without I/O. Bounded in bytes, and in time by its owner.
public struct Estate {
  /// Bytes that are kept at most. What does not fit is lost, which the numbers of events show.
  public static let most = 256 << 20
  /// What a session takes beside its records, roughly.
  private static let overhead = 128

  private let most: Int
  private var records: [SessionID: [UInt8]] = [:]
  private(set) var bytes = 0
  /// Streams for messages of no call have been left to this process.
  public var isLeft = false
  /// The other process has gone.
  public var isOver = false

  public init(most: Int = Self.most) { self.most = most }

  public var count: Int { records.count }

  var sessions: [SessionID] { Array(records.keys) }

  public func contains(_ session: SessionID) -> Bool { records[session] != nil }

  /// Keeps a record for a session that is not here yet.
  public mutating func keep(_ encoded: [UInt8], of session: SessionID) {
    let amount = encoded.count + (records[session] == nil ? Self.overhead : 0)
    guard bytes + amount <= most else { return }
    records[session, default: []] += encoded
    bytes += amount
  }

  /// How the records of each session came.
  public var all: [[UInt8]] { Array(records.values) }

  /// The records of a session, in the order in which they came.
  public func records(of session: SessionID) -> [SessionRecord] {
    guard let encoded = records[session] else { return [] }
    var reader = SessionRecordReader(greeted: true)
    reader.feed(encoded)
    var found: [SessionRecord] = []
    while let next = (try? reader.next()) ?? nil { found.append(next.record) }
    return found
  }

  /// Nobody needs it any more.
  public mutating func remove(_ session: SessionID) {
    guard let removed = records.removeValue(forKey: session) else { return }
    bytes -= removed.count + Self.overhead
  }

  /// Nobody comes for what is left.
  public mutating func removeAll() {
    records = [:]
    bytes = 0
  }

  /// Events are too old to be asked for: what else is known of sessions stays.
  public mutating func removeEvents() {
    for session in sessions {
      var kept: [UInt8] = []
      for record in records(of: session) {
        switch record.contents {
        case .settled, .subscription: kept += record.encoded
        default: break
        }
      }
      bytes += kept.count - (records[session]?.count ?? 0)
      records[session] = kept
    }
  }
}
