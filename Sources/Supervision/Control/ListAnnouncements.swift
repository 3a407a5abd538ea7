import Catalogue
import MCP
import ServedCatalogue

/// What one upstream has told of changes of its lists, and what clients are told in turn. They are told once of each change,
/// after the list was fetched again, be it equal or not; and when tellings lead to lists, and lists to tellings, less and
/// less often.
public struct ListAnnouncements {
  /// Where several conversations tell of one change, clients that have heard of it in the last moments don't hear of it
  /// again because of another of them, in milliseconds.
  static var moment: UInt64 { 1000 }

  /// What clients are to be told now or later.
  public struct Telling {
    /// Of which lists, where they are seen.
    public var changes = Catalogues.Changes()
    /// Those of them of which the upstream itself has told, though nothing was different.
    public var equal: ListKinds = []
  }

  /// When the upstream is looked at next because of what it told, and when clients are told.
  private var looking = Pace()
  private var telling = Pace()
  private(set) var isLookDue = false
  private(set) var isTellingDue = false
  /// Of these it has told, and clients have not been since.
  private var owed: ListKinds = []
  private var due = Telling()
  /// When sessions were told last, and when last because of a difference; by kind.
  private var toldAt: [ListKind: UInt64] = [:]
  private var differedAt: [ListKind: UInt64] = [:]

  /// How long changes are collected before the lists are fetched without anybody asking for them, in milliseconds.
  private static let pause: UInt64 = 50

  /// The upstream has told of changes, of which clients are to be told.
  /// - Parameter isEcho: other conversations with it may tell of the same.
  public mutating func told(_ kinds: ListKinds, isEcho: Bool, now: UInt64) {
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      if isEcho, let last = differedAt[kind], now < last + Self.moment { continue }
      owed.insert(ListKinds(kind))
    }
  }

  // MARK: Looking

  /// How long the next look is put off; nil if one is due already.
  public mutating func lookLater(notBefore: UInt64, now: UInt64) -> UInt64? {
    guard !isLookDue else { return nil }
    isLookDue = true
    return max(now + Self.pause, looking.next(now), notBefore) - now
  }

  public mutating func lookIsDue() { isLookDue = false }

  /// What a fetch of these lists, which begins now, is to be followed by. Lists that share a notification are told of
  /// together.
  public mutating func take(_ kinds: ListKinds) -> ListKinds {
    let methods = Set(Self.each(kinds).map(\.changed))
    let taken = owed.intersection(
      ListKind.allCases.reduce(into: []) {
        if methods.contains($1.changed) { $0.insert(ListKinds($1)) }
      })
    owed.subtract(taken)
    return taken
  }

  /// It came to nothing.
  public mutating func giveBack(_ kinds: ListKinds) { owed.formUnion(kinds) }

  /// These lists were looked at otherwise.
  public mutating func forget(_ kinds: ListKinds) { owed.subtract(kinds) }

  /// Lists of whose change it had told were fetched.
  /// - Parameters: whether they are other ones; whether it told of a change again meanwhile.
  public mutating func looked(wasDifferent: Bool, isStaleAgain: Bool, now: UInt64) {
    looking.done(now, isRepetition: !wasDifferent || isStaleAgain)
  }

  // MARK: Telling

  /// Clients are to be told. How long that is put off, 0: not at all; nil if they will be anyway.
  public mutating func tell(_ changes: Catalogues.Changes, different: ListKinds, equal: ListKinds, now: UInt64)
    -> UInt64?
  {
    due.changes.formUnion(changes)
    due.equal.formUnion(equal)
    for kind in Self.each(different) { differedAt[kind] = now }
    guard !due.changes.isEmpty, !isTellingDue else { return nil }
    isTellingDue = true
    return telling.next(now) - now
  }

  /// What they are told now.
  /// - Parameter waited: it was put off.
  public mutating func takeTelling(waited: Bool, seen view: CatalogueView, now: UInt64) -> Telling {
    isTellingDue = false
    telling.done(now, isRepetition: waited)
    for kind in Self.each(due.changes.legacy[view]) { toldAt[kind] = now }
    defer { due = Telling() }
    return due
  }

  /// Those of them of which clients have heard, or will, since a client's own conversation told of them.
  public func covered(_ kinds: ListKinds, since: UInt64, seen view: CatalogueView) -> ListKinds {
    Self.each(kinds).reduce(into: []) { covered, kind in
      let isDue = due.changes.legacy[view].contains(ListKinds(kind))
      let wasTold = toldAt[kind].map { $0 + Self.moment >= since } ?? false
      if isDue || wasTold { covered.insert(ListKinds(kind)) }
    }
  }

  private static func each(_ kinds: ListKinds) -> [ListKind] {
    ListKind.allCases.filter { kinds.contains(ListKinds($0)) }
  }
}
