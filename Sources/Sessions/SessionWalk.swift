/// A walk over all sessions, a few of them in each turn of who walks, row after row of what the workers keep. None that is there
/// all the time is missed, though one may be met twice; what comes meanwhile may or may not be met.
public struct SessionWalk {
  /// Sessions of one turn.
  public static let most = 256

  private let table: SessionTable
  private let most: Int
  private var row = 0
  private var place = Int.max

  public init(over table: SessionTable, atMost most: Int = Self.most) {
    self.table = table
    self.most = most
  }

  public var isOver: Bool { row == table.rowCount }

  /// The next ones, perhaps none; nil once there are no more.
  public mutating func next() -> [Session]? {
    guard !isOver else { return nil }
    var met: [Session] = []
    while !isOver, met.count < most {
      met += table.slice(of: row, before: &place, atMost: most - met.count)
      guard place == 0 else { continue }
      row += 1
      place = .max
    }
    return met
  }
}
