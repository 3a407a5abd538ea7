import MCP
import Upstream

/// The fetches of one upstream's lists by the control loop, and who waits for them. At most one fetch of a list is under way.
/// Who asks meanwhile waits for the next, which all of them share: what the one under way brings may be older than the
/// question. Nobody waits for long, and a list that could not be had, or takes too long, is served as it was.
public struct ListRefreshState<Waiter> {
  public enum Answer: Equatable {
    /// What there is has to do.
    case serve
    /// The waiter is released when the list has been fetched, or takes too long.
    case wait
    /// So it is, and the caller begins a fetch of that list.
    case fetch
    /// The caller begins a fetch, for those who come later.
    case fetchAside
  }

  private struct List {
    /// When the fetch that is under way was begun.
    var since: UInt64?
    /// It takes too long to be waited for.
    var isOverdue = false
    /// The last one did: only for a change that was told does anybody wait.
    var isSlow = false
    var waiters: [Waiter] = []
    /// For the next fetch.
    var next: [Waiter] = []
    var backoff = Backoff()
    /// After a failure: not before.
    var notBefore: UInt64 = 0
  }

  /// The longest that a list waits for one fetch, in milliseconds.
  public static var patience: UInt64 { 3000 }

  private var lists = ListKind.allCases.map { _ in List() }

  /// Somebody asks for a list that is not fresh.
  /// - Parameter isStale: the upstream has told of a change; else it is only too old.
  public mutating func ask(_ kind: ListKind, _ waiter: Waiter, isStale: Bool, now: UInt64) -> Answer {
    let place = Int(kind.rawValue)
    let list = lists[place]
    let isAwaited = isStale || !list.isSlow
    if list.since != nil {
      guard isAwaited, !list.isOverdue else { return .serve }
      lists[place].next.append(waiter)
      return .wait
    }
    guard now >= list.notBefore else { return .serve }
    lists[place].since = now
    lists[place].isOverdue = false
    guard isAwaited else { return .fetchAside }
    lists[place].waiters = [waiter]
    return .fetch
  }

  /// The gateway itself wants to look at these. Those for which the caller begins a fetch.
  public mutating func begin(_ kinds: ListKinds, now: UInt64) -> ListKinds {
    ListKind.allCases.reduce(into: []) { begun, kind in
      let place = Int(kind.rawValue)
      guard kinds.contains(ListKinds(kind)), lists[place].since == nil, now >= lists[place].notBefore else { return }
      lists[place].since = now
      lists[place].isOverdue = false
      begun.insert(ListKinds(kind))
    }
  }

  /// The lists that are being fetched.
  public var underWay: ListKinds {
    ListKind.allCases.reduce(into: []) { if lists[Int($1.rawValue)].since != nil { $0.insert(ListKinds($1)) } }
  }

  /// When each of these may be asked for again.
  public func notBefore(_ kinds: ListKinds) -> UInt64 {
    ListKind.allCases.reduce(0) { time, kind in
      kinds.contains(ListKinds(kind)) ? max(time, lists[Int(kind.rawValue)].notBefore) : time
    }
  }

  /// A fetch has ended. Who waited for it goes on; `again`: others have asked meanwhile, for whom the caller begins another.
  public mutating func ended(_ kind: ListKind, isGood: Bool, now: UInt64) -> (released: [Waiter], again: Bool) {
    let place = Int(kind.rawValue)
    var released = lists[place].waiters
    if let since = lists[place].since { lists[place].isSlow = now >= since + Self.patience }
    lists[place].since = nil
    if isGood {
      lists[place].backoff.succeeded()
      lists[place].notBefore = 0
    } else {
      lists[place].notBefore = now + lists[place].backoff.failed()
      released += lists[place].next
      lists[place].next = []
    }
    lists[place].waiters = lists[place].next
    lists[place].next = []
    guard !lists[place].waiters.isEmpty else { return (released, false) }
    lists[place].since = now
    lists[place].isOverdue = false
    return (released, true)
  }

  /// Who has waited long enough.
  public mutating func takeImpatient(_ now: UInt64) -> [Waiter] {
    var impatient: [Waiter] = []
    for place in lists.indices {
      guard let since = lists[place].since, !lists[place].isOverdue, now >= since + Self.patience else { continue }
      lists[place].isOverdue = true
      lists[place].isSlow = true
      impatient += lists[place].waiters + lists[place].next
      lists[place].waiters = []
      lists[place].next = []
    }
    return impatient
  }

  /// Nothing is fetched any more: the upstream is left, or looked at afresh.
  mutating func takeAll() -> [Waiter] {
    let all = lists.flatMap { $0.waiters + $0.next }
    for place in lists.indices {
      lists[place].waiters = []
      lists[place].next = []
    }
    return all
  }
}
