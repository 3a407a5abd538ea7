import Upstream

/// Which endpoints a server has whose names may come to lead elsewhere, and which index each of them has. A value without
/// I/O; times in milliseconds.
///
///     free ──an address is found──▶ member ──it is not any more──▶ leaving ──nothing is under way──▶ free
///
/// Until a name has been looked up the name itself is an endpoint, at whichever of its addresses answers. An address that
/// comes back while it leaves gets another index, as what was begun with the former one still ends. An index is free for ten
/// minutes before it is used again, so that nothing that was said of the one is taken for the other.
struct MembershipState: Sendable {
  struct Member: Equatable, Sendable {
    /// Which of the configured endpoints it is of.
    var origin: Int
    /// nil: the name itself, or what is configured as an address.
    var address: String?
  }

  struct Change: Equatable, Sendable {
    struct Joined: Equatable, Sendable {
      var index: Int
      var address: String
    }
    var joined: [Joined] = []
    /// Their indices.
    var left: [Int] = []
    /// Addresses for which there is no index.
    var ignored: [String] = []
  }

  private enum Place: Equatable, Sendable {
    case member(Member)
    case leaving
    case free(since: UInt64)
  }

  static let rest: UInt64 = 600_000
  private var places: [Place]
  private let most: Int

  /// - Parameters:
  ///   - origins: endpoints that are configured.
  ///   - most: indices that there are.
  init(origins: Int, most: Int) {
    places = (0..<origins).map { .member(Member(origin: $0, address: nil)) }
    self.most = most
  }

  /// The indices of those that are endpoints now, ascending. Never none.
  var members: [Int] { places.indices.filter { member(at: $0) != nil } }

  func member(at index: Int) -> Member? {
    if case .member(let member) = places[index] { member } else { nil }
  }

  /// The name of an endpoint leads to these addresses now: at least one, none twice.
  mutating func found(_ addresses: [String], of origin: Int, now: UInt64) -> Change {
    var change = Change()
    let former = places.indices.filter { member(at: $0)?.origin == origin }
    let known = former.compactMap { member(at: $0)?.address }
    for address in addresses where !known.contains(address) {
      if let index = take(now) {
        places[index] = .member(Member(origin: origin, address: address))
        change.joined.append(.init(index: index, address: address))
      } else {
        change.ignored.append(address)
      }
    }
    let stay = former.filter { member(at: $0)?.address.map(addresses.contains) == true }
    // What can't be replaced stays.
    guard !stay.isEmpty || !change.joined.isEmpty else { return change }
    for index in former where !stay.contains(index) {
      places[index] = .leaving
      change.left.append(index)
    }
    return change
  }

  /// Nothing is under way any more with one that has left.
  mutating func drained(_ index: Int, now: UInt64) {
    if places[index] == .leaving { places[index] = .free(since: now) }
  }

  /// An index for one more. Calls know where they have been by six bits of it (`RetryState`), so one whose bits nobody has is
  /// better.
  private mutating func take(_ now: UInt64) -> Int? {
    let taken = members.reduce(0) { $0 | RetryState.mask($1) }
    let isApart = { (index: Int) in RetryState.mask(index) & taken == 0 }
    let rested = places.indices.filter { index in
      if case .free(let since) = places[index], now >= since + Self.rest { true } else { false }
    }
    if let index = rested.first(where: isApart) { return index }
    let new = places.count..<most
    if let index = new.first(where: isApart) ?? rested.first ?? new.first {
      while places.count <= index { places.append(.free(since: now)) }
      return index
    }
    return nil
  }
}
