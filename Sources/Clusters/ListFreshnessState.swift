import MCP

/// How far what is served of one upstream's lists can be relied on: whether the upstream has told of a change since they were
/// fetched, and how old they are. Every worker looks at it before it answers with a list; the control loop fetches.
public struct ListFreshnessState: Sendable {
  /// How long what was fetched counts.
  public enum Validity: Sendable, Equatable {
    /// The upstream tells when it changes.
    case untilAnnounced
    /// So long the upstream, a modern one, lets it be kept (MCP 2026-07-28, Server/Utilities, Caching).
    case until(UInt64)
    /// It says nothing of the kind: for `list_ttl`.
    case aged
  }

  /// A fetch that was begun: what it brings covers what was told before.
  public struct Fetch: Sendable {
    public let kind: ListKind
    fileprivate let announcements: UInt32
    fileprivate let order: UInt32
  }

  private struct List {
    var announcements: UInt32 = 0
    /// Of those, how many had come when what is served was asked for.
    var covered: UInt32 = 0
    /// Which fetch brought what is served; 0: none has.
    var order: UInt32 = 0
    var fetchedAt: UInt64 = 0
    var validity = Validity.aged
  }

  private var lists = InlineArray<4, List>(repeating: List())
  private var fetches: UInt32 = 0

  /// The upstream has told of changes. What is served of these lists is stale from now on.
  public mutating func announced(_ kinds: ListKinds) {
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      lists[Int(kind.rawValue)].announcements &+= 1
    }
  }

  /// The list is about to be asked for.
  public mutating func begin(_ kind: ListKind) -> Fetch {
    fetches &+= 1
    return Fetch(kind: kind, announcements: lists[Int(kind.rawValue)].announcements, order: fetches)
  }

  /// Whether what a fetch has brought is newer than what there is: two may be under way at once.
  public func isNews(_ fetch: Fetch) -> Bool { fetch.order > lists[Int(fetch.kind.rawValue)].order }

  /// What a fetch has brought is served by now.
  public mutating func published(_ fetch: Fetch, at now: UInt64, _ validity: Validity) {
    guard isNews(fetch) else { return }
    let place = Int(fetch.kind.rawValue)
    lists[place].covered = fetch.announcements
    lists[place].order = fetch.order
    lists[place].fetchedAt = now
    lists[place].validity = validity
  }

  /// The lists whose changes were told and that have not been fetched since.
  public var stale: ListKinds {
    ListKind.allCases.reduce(into: []) { stale, kind in
      let list = lists[Int(kind.rawValue)]
      if list.announcements != list.covered { stale.insert(ListKinds(kind)) }
    }
  }

  /// Whether a list may be served as it is.
  /// - Parameter age: `list_ttl`, in milliseconds.
  public func isFresh(_ kind: ListKind, now: UInt64, age: UInt64) -> Bool {
    let list = lists[Int(kind.rawValue)]
    guard list.announcements == list.covered, list.order > 0 else { return false }
    return switch list.validity {
    case .untilAnnounced: true
    case .until(let end): now < end
    case .aged: now < list.fetchedAt + age
    }
  }

  /// For how many milliseconds yet clients may keep it: never more than the upstream has promised.
  public func lifetime(_ kind: ListKind, now: UInt64) -> UInt64 {
    let list = lists[Int(kind.rawValue)]
    guard list.announcements == list.covered, list.order > 0, case .until(let end) = list.validity, now < end
    else { return 0 }
    return end - now
  }
}
