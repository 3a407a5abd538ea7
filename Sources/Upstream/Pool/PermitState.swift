/// The permits of all workers for connections to one endpoint: who holds how many, and who waits for one. Each
/// connection holds one, from when it is begun until it is closed, and so does a worker that has been granted one and
/// has not heard of it yet; there are never more than `size` + `overflow`. A value without I/O.
///
/// Callers stand in a line of their own worker, and a worker with a line stands here once, with the ticket of its first
/// caller. As long as anybody stands here there is no free permit: one that is given back goes to who waits.
///
/// A worker that waits with less than its fair share (all permits, divided by the workers that hold some or want some)
/// is *entitled*: connections that others have callers for, too, go to it if its first caller has waited longer. Nobody
/// gives up more than that, so once each has its share connections stay where they are.
public struct PermitState: Sendable {
  /// When a caller began to wait, in milliseconds of the clock that all workers have in common: so those of different
  /// workers have an order, and nothing is written for it that others read.
  public typealias Ticket = UInt64

  public enum Acquisition: Equatable, Sendable {
    case granted(isOverflow: Bool)
    /// It will hear of its permit. Until then somebody may have an idle connection to give up: who is to be asked
    /// first.
    case wait(ask: Int?)
  }

  /// What becomes of a connection that somebody else may need more.
  public enum Passing: Equatable, Sendable {
    case keep
    /// It is closed; who has its permit by now.
    case drop(to: Int)
  }

  /// Whom a worker that is about to use a connection again has to know of; a bit for each worker.
  struct Signs: Equatable, Sendable {
    var waiting: UInt64 = 0
    var entitled: UInt64 = 0
  }

  private struct Share: Sendable {
    var held = 0
    /// Of these, as it said last, those that nobody uses.
    var idle = 0
    var ticket: Ticket?
  }

  /// As far as workers have asked for any.
  private var shares: [Share] = []
  public let size: Int
  public let overflow: Int
  /// All that are held, and those of them that are on their way by letter.
  public private(set) var held = 0
  private var utilisation = UtilisationState()
  private var news: Utilisation?

  public init(size: Int, overflow: Int) {
    self.size = size
    self.overflow = overflow
  }

  public var limit: Int { size + overflow }
  public var level: Utilisation { utilisation.level }
  public func held(by worker: Int) -> Int { worker < shares.count ? shares[worker].held : 0 }
  /// Those beyond `size`.
  var excess: Int { max(0, held - size) }

  /// There are 64 loops at most.
  static func bit(_ worker: Int) -> UInt64 { 1 << UInt64(worker) }

  // MARK: Events

  /// A worker has a caller and no connection for it.
  mutating func acquire(_ worker: Int, since ticket: Ticket) -> Acquisition {
    enter(worker)
    // Who asks has used all that it had.
    shares[worker].idle = 0
    guard held < limit else {
      shares[worker].ticket = ticket
      return .wait(ask: nextToAsk(asked: Self.bit(worker)))
    }
    shares[worker].ticket = nil
    take(worker)
    return .granted(isOverflow: held > size)
  }

  /// The same for who does not wait.
  mutating func acquireAside(_ worker: Int) -> Bool {
    enter(worker)
    guard held < limit else { return false }
    take(worker)
    return true
  }

  /// The same for a connection that nobody needs yet.
  mutating func acquireAhead(_ worker: Int) -> Bool { held < size && acquireAside(worker) }

  /// A connection is closed. Who has its permit by now.
  mutating func release(_ worker: Int) -> Int? {
    shares[worker].held -= 1
    held -= 1
    defer { noteUtilisation() }
    return grant(except: nil)
  }

  /// So many of a worker's connections are idle. It says so now and then, not whenever that changes.
  mutating func note(idle count: Int, of worker: Int) {
    enter(worker)
    shares[worker].idle = count
    noteUtilisation()
  }

  /// A connection that the first of a worker's own callers would use: whether it is another's turn.
  /// - Parameters:
  ///   - first: its ticket.
  ///   - next: that of the caller who is the first once that one is served.
  mutating func pass(_ worker: Int, first: Ticket, next: Ticket?) -> Passing {
    if let other = longestWaiting(except: worker, entitledOnly: true), let ticket = shares[other].ticket, ticket < first
    {
      move(from: worker, to: other)
      if shares[worker].ticket != nil { shares[worker].ticket = first }
      return .drop(to: other)
    }
    if shares[worker].ticket != nil { shares[worker].ticket = next }
    return .keep
  }

  /// The same for a connection that none of a worker's own callers waits for.
  mutating func yield(_ worker: Int) -> Passing {
    guard let other = nextToGrant(except: worker) else { return .keep }
    move(from: worker, to: other)
    return .drop(to: other)
  }

  /// The first of a worker's callers is another one, or (nil) none waits any more.
  mutating func renew(_ worker: Int, _ ticket: Ticket?) {
    enter(worker)
    if shares[worker].ticket != nil { shares[worker].ticket = ticket }
  }

  /// Who may have an idle connection to give up: of those that have not been asked who holds most.
  func nextToAsk(asked: UInt64) -> Int? {
    var found: Int?
    for (worker, share) in shares.enumerated() where share.held > 0 && asked & Self.bit(worker) == 0 {
      if found.map({ shares[$0].held < share.held }) ?? true { found = worker }
    }
    return found
  }

  // MARK: What others see

  var signs: Signs {
    var signs = Signs()
    let share = fairShare
    for (worker, entry) in shares.enumerated() where entry.ticket != nil {
      signs.waiting |= Self.bit(worker)
      if entry.held < share { signs.entitled |= Self.bit(worker) }
    }
    return signs
  }

  /// The new level of utilisation, once.
  mutating func takeNews() -> Utilisation? { news.take() }

  // MARK: Who is next

  private var fairShare: Int {
    let interested = shares.count { $0.held > 0 || $0.ticket != nil }
    return max(1, limit / max(1, interested))
  }

  private func longestWaiting(except worker: Int?, entitledOnly: Bool) -> Int? {
    let share = fairShare
    var found: (worker: Int, ticket: Ticket)?
    for (other, entry) in shares.enumerated() where other != worker {
      guard let ticket = entry.ticket, !entitledOnly || entry.held < share else { continue }
      if found.map({ ticket < $0.ticket }) ?? true { found = (other, ticket) }
    }
    return found?.worker
  }

  /// Tickets of workers that go on serving their own callers are renewed only while somebody is entitled, so those are
  /// first.
  private func nextToGrant(except worker: Int?) -> Int? {
    longestWaiting(except: worker, entitledOnly: true) ?? longestWaiting(except: worker, entitledOnly: false)
  }

  private mutating func grant(except worker: Int?) -> Int? {
    guard let next = nextToGrant(except: worker) else { return nil }
    shares[next].ticket = nil
    take(next)
    return next
  }

  // MARK: Counting

  private mutating func enter(_ worker: Int) {
    while shares.count <= worker { shares.append(Share()) }
  }

  private mutating func take(_ worker: Int) {
    shares[worker].held += 1
    held += 1
    noteUtilisation()
  }

  private mutating func move(from worker: Int, to other: Int) {
    shares[worker].held -= 1
    shares[other].held += 1
    shares[other].ticket = nil
  }

  private mutating func noteUtilisation() {
    let inUse = shares.reduce(0) { $0 + max(0, $1.held - $1.idle) }
    if let level = utilisation.changed(inUse: inUse, of: limit) { news = level }
  }
}
