import Catalogue
import MCP
import SessionStore
import Synchronization
import Wire
import Workers

/// All legacy sessions of the process. Every worker looks sessions up, so the table is cut into shards with a lock
/// each; a look-up holds one for the time of one dictionary access and allocates nothing.
///
/// Beside that each worker has a row of the sessions that it keeps, so that who has to look at all of them looks at its own,
/// a few at a time.
public final class SessionTable: Sendable {
  private static let shardCount = 64

  private final class Shard: Sendable {
    /// By half of the id, which is random enough.
    let sessions = Mutex<[PlainKey: Session]>([:])
  }

  /// The sessions of one worker, in the order in which they came as long as none has gone. Each knows its place.
  private final class Row: Sendable {
    let sessions = Mutex<[Session]>([])
  }

  private let shards = (0..<shardCount).map { _ in Shard() }
  private let rows: [Row]
  /// Asked where sessions are opened and ended, and nowhere else.
  let levels = Mutex(LogLevels())
  private struct Count {
    var census = SessionCensus()
    var bounds: SessionCensus.Bounds
    /// How many see what.
    var views: [CatalogueView: Int] = [:]
  }

  private let census: Mutex<Count>

  /// - Parameter workers: that keep sessions.
  public init(_ bounds: SessionCensus.Bounds, workers: Int) {
    rows = (0..<workers).map { _ in Row() }
    census = Mutex(Count(bounds: bounds))
  }

  /// Sessions that there may be. Those that are there already stay.
  public func adopt(_ bounds: SessionCensus.Bounds) { census.withLock { $0.bounds = bounds } }

  /// Workers that keep sessions.
  public var workerCount: Int { rows.count }

  /// Sessions alive.
  public var size: Int { census.withLock { $0.census.count } }

  /// Of these, those that look at what this view shows, and at nothing else.
  public func count(seeing view: CatalogueView) -> Int { census.withLock { $0.views[view] ?? 0 } }

  /// Keeps a session. With `inPlaceOf` another is to be ended for it; with `full` it is not kept.
  public func insert(_ session: Session, now: UInt64) -> SessionCensus.Admission {
    let id = session.id
    let isTransient = session.transport == .streamableHTTP
    // Whoever finds it finds it in its row as well.
    append(session)
    // Before it is counted: the census looks at what it knows.
    let isKept = shard(of: id).sessions.withLock { sessions in
      guard sessions[id.key] == nil else { return false }
      sessions[id.key] = session
      return true
    }
    guard isKept else {
      leaveRow(session)
      return .full
    }
    let admission = census.withLock { state in
      let bounds = state.bounds
      let admission = state.census.admit(
        id, of: session.party, isTransient: isTransient, within: bounds, now: now
      ) { other in
        find(other)?.use ?? .gone
      }
      if case .full = admission { return admission }
      state.views[session.view, default: 0] += 1
      return admission
    }
    if case .full = admission {
      session.leaveTable()
      _ = shard(of: id).sessions.withLock { $0.removeValue(forKey: id.key) }
      leaveRow(session)
    }
    return admission
  }

  public func find(_ id: SessionID) -> Session? {
    guard let session = shard(of: id).sessions.withLock({ $0[id.key] }), session.id == id else { return nil }
    return session
  }

  public func remove(_ id: SessionID) -> Session? {
    let removed = shard(of: id).sessions.withLock { sessions in
      sessions[id.key]?.id == id ? sessions.removeValue(forKey: id.key) : nil
    }
    guard let removed else { return nil }
    removed.leaveTable()
    leaveRow(removed)
    census.withLock { state in
      state.census.leave(removed.party)
      let left = state.views[removed.view, default: 1] - 1
      state.views[removed.view] = left == 0 ? nil : left
    }
    return removed
  }

  // MARK: Rows

  var rowCount: Int { rows.count }

  private func row(of session: Session) -> Row { rows[Int(session.id.worker)] }

  private func append(_ session: Session) {
    row(of: session).sessions.withLock { sessions in
      session.place = sessions.count
      sessions.append(session)
    }
  }

  /// The last one takes its place.
  private func leaveRow(_ session: Session) {
    row(of: session).sessions.withLock { sessions in
      let place = session.place
      let last = sessions.removeLast()
      guard last !== session else { return }
      sessions[place] = last
      last.place = place
    }
  }

  /// The next sessions that a worker keeps, from the end of its row to its beginning: none that is there all the time is
  /// missed, though one may be met twice, and what comes meanwhile may or may not be met.
  /// - Parameter place: where the last slice began; at first `.max`. 0: there are no more.
  public func slice(of worker: Int, before place: inout Int, atMost count: Int) -> [Session] {
    rows[worker].sessions.withLock { sessions in
      let end = min(place, sessions.count)
      place = max(0, end - count)
      return Array(sessions[place..<end])
    }
  }

  /// A copy of what is there now: for what happens once in the life of a process.
  public var all: [Session] {
    rows.flatMap { row in row.sessions.withLock { $0 } }
  }

  /// The same of what one worker keeps.
  public func all(of worker: Int) -> [Session] { rows[worker].sessions.withLock { $0 } }

  private func shard(of id: SessionID) -> Shard {
    // The id's own bits are random; the half that the shard does not look at.
    shards[Int(truncatingIfNeeded: id.high % UInt64(Self.shardCount))]
  }
}

extension SessionID {
  /// The half that names a session within its shard.
  fileprivate var key: PlainKey { PlainKey(low) }
}

extension Session {
  /// Whom it shares conversations with.
  fileprivate var group: LogLevels.Group {
    LogLevels.Group(view: view, abilities: abilities, principal: principal)
  }
}

extension SessionTable {
  public func lowestLevel(of sharers: Sharers) -> LogLevel? { levels.withLock { $0.lowest(of: sharers) } }

  public func listeners(among sharers: Sharers, at level: LogLevel?) -> [SessionID] {
    levels.withLock { $0.listeners(among: sharers, at: level) }
  }

  /// A client has set its log level. True if that is another one than before.
  /// - Parameter note: called while nobody else changes anything of the session.
  @discardableResult
  public func setLevel(_ level: LogLevel?, of session: Session, _ note: (borrowing Session.State) -> Void) -> Bool {
    session.withState { state in
      let isNew = state.logLevel != level
      state.logLevel = level
      if !state.ended { levels.withLock { $0.set(level, of: session.id, in: session.group) } }
      note(state)
      return isNew
    }
  }

  /// One that came with a level has been taken in.
  public func countLevel(of session: Session) {
    session.withState { state in
      guard !state.ended else { return }
      levels.withLock { $0.set(state.logLevel, of: session.id, in: session.group) }
    }
  }

  /// Does what changes whom a session shares conversations with.
  public func regroup(_ session: Session, _ change: () -> Void) {
    forgetLevel(of: session)
    change()
    countLevel(of: session)
  }

  /// It has ended, or is another's from here on.
  public func forgetLevel(of session: Session) {
    levels.withLock { $0.set(nil, of: session.id, in: session.group) }
  }
}

extension Sharers {
  public func contains(_ session: Session) -> Bool {
    guard session.view == .all || session.view == .only(upstream: upstream) else { return false }
    return kin.map { $0.abilities == session.abilities && $0.principal == session.principal } ?? true
  }
}
