/// The callers of one worker that wait for a connection to an endpoint, in the order in which they came. Who leaves it
/// is found by the place that it was given, wherever it stands.
struct WaitingLine<Caller: Sendable>: Sendable {
  struct Entry: Sendable {
    /// nil once it has left.
    let caller: Caller?
    /// When it came.
    let since: UInt64
  }

  /// Its first entry has not left.
  private var entries = Queue<Entry>()
  /// That of the first entry.
  private var firstPlace: UInt64 = 1
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  /// When the first came.
  var since: UInt64? { entries.first?.since }

  /// When the second came.
  var nextSince: UInt64? {
    guard count > 1 else { return nil }
    for index in 1..<entries.count where entries[index].caller != nil { return entries[index].since }
    return nil
  }

  mutating func join(_ caller: Caller, since: UInt64) -> PoolPlace {
    entries.append(Entry(caller: caller, since: since))
    count += 1
    return PoolPlace(number: firstPlace + UInt64(entries.count) - 1)
  }

  mutating func popFirst() -> Caller? {
    guard let entry = entries.popFirst() else { return nil }
    firstPlace += 1
    count -= 1
    skipThoseThatLeft()
    return entry.caller
  }

  /// False if nobody stands there any more.
  mutating func leave(_ place: PoolPlace) -> Bool {
    guard place.number >= firstPlace, place.number - firstPlace < UInt64(entries.count) else { return false }
    let index = Int(place.number - firstPlace)
    guard entries[index].caller != nil else { return false }
    entries[index] = Entry(caller: nil, since: entries[index].since)
    count -= 1
    skipThoseThatLeft()
    return true
  }

  mutating func trim() { entries.trim() }

  private mutating func skipThoseThatLeft() {
    while let first = entries.first, first.caller == nil {
      _ = entries.popFirst()
      firstPlace += 1
    }
  }
}

/// Where a caller stands in a line.
public struct PoolPlace: Equatable, Sendable {
  let number: UInt64

  public static let none = PoolPlace(number: 0)
}
