import Configuration
import MCP
import Workers

/// Who has how many sessions, and in which order those were opened of which nobody has made use yet: when there are as
/// many as there may be, the oldest of them makes room for a newcomer. A value without I/O.
public struct SessionCensus {
  public struct Bounds: Equatable, Sendable {
    var all: Int
    /// Of one party.
    var each: Int
  }

  /// What has become of a session meanwhile.
  enum Use: Equatable {
    case gone
    case used
    /// It was opened at that time, in milliseconds, and nothing else.
    case unused(since: UInt64)
  }

  public enum Admission: Equatable {
    case admitted
    /// Admitted, and this one is to be ended for it.
    case inPlaceOf(SessionID)
    /// There are as many as there may be, all in use or just opened.
    case full
  }

  /// Sessions in the order in which they were opened. What is used or gone by now is taken out when it comes to the front,
  /// or when there is more of it than of the others.
  private struct Line {
    private var ids: [SessionID] = []
    private var head = 0

    var count: Int { ids.count - head }

    mutating func append(_ id: SessionID, alive: Int, _ use: (SessionID) -> Use) {
      if count > 2 * alive + 16 {
        ids = ids[head...].filter { if case .unused = use($0) { true } else { false } }
        head = 0
      }
      ids.append(id)
    }

    /// Takes out the oldest, if it was opened at `time` or before.
    mutating func takeOldest(openedBy time: UInt64, _ use: (SessionID) -> Use) -> SessionID? {
      while head < ids.count {
        let id = ids[head]
        if case .unused(let since) = use(id) {
          guard since <= time else { return nil }
          drop()
          return id
        }
        drop()
      }
      return nil
    }

    private mutating func drop() {
      head += 1
      guard head > 64, head * 2 > ids.count else { return }
      ids.removeFirst(head)
      head = 0
    }
  }

  private struct Account {
    var count = 0
    var line = Line()
  }

  /// A client may take so long between opening a session and using it, in milliseconds. Less than the `Retry-After` of
  /// who finds no room.
  static let grace: UInt64 = 5000

  private(set) var count = 0
  private var accounts: [Party: Account] = [:]
  private var line = Line()

  var isEmpty: Bool { count == 0 && accounts.isEmpty }

  /// Places in all lines.
  var waiting: Int { accounts.values.reduce(line.count) { $0 + $1.line.count } }

  func count(of party: Party) -> Int { accounts[party]?.count ?? 0 }

  /// - Parameters: isTransient: whether it may be ended for another as long as it is unused; one that its client's
  ///   connection carries may not.
  mutating func admit(
    _ id: SessionID, of party: Party, isTransient: Bool, within bounds: Bounds, now: UInt64,
    _ use: (SessionID) -> Use
  ) -> Admission {
    let time = now > Self.grace ? now - Self.grace : 0
    var replaced: SessionID?
    if count(of: party) >= bounds.each {
      guard let oldest = accounts[party]?.line.takeOldest(openedBy: time, use) else { return .full }
      replaced = oldest
    } else if count >= bounds.all {
      guard let oldest = line.takeOldest(openedBy: time, use) else { return .full }
      replaced = oldest
    }
    count += 1
    accounts[party, default: Account()].count += 1
    if isTransient {
      let own = count(of: party)
      accounts[party]?.line.append(id, alive: own, use)
      line.append(id, alive: count, use)
    }
    return replaced.map { .inPlaceOf($0) } ?? .admitted
  }

  mutating func leave(_ party: Party) {
    guard let account = accounts[party] else { return }
    count -= 1
    if account.count > 1 { accounts[party]?.count -= 1 } else { accounts[party] = nil }
  }
}

extension SessionCensus.Bounds {
  public init(_ settings: Settings) {
    let sessions = settings.configuration.sessions
    self.init(all: sessions.maximum, each: sessions.perClient ?? max(1, sessions.maximum / 2))
  }
}
