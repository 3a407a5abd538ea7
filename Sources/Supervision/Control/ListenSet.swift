import Clusters
import Sessions
import Wire

/// Which of the gateway's own listens to a modern upstream asks for which resources.
///
/// The filter of a listen is fixed (MCP 2026-07-28, Basic/Patterns, Subscriptions), so what is newly wanted is asked for by
/// another one. Eight of about the same size are put together: few are open at a time, none asks for more than upstreams take,
/// and what is long wanted is seldom asked for anew. A change costs what it brings, however much is wanted already. A value
/// without I/O.
///
/// An upstream that refuses a listen does not say whether it asks for too much or for one resource too many. So that listen
/// alone is asked for again in halves, until its halves are taken or single resources are refused. Only in the first case it
/// was too large, and all others are kept smaller too, for a while.
struct ListenSet {
  typealias Number = Int

  /// What is to be done, in this order.
  struct Change {
    /// Nobody wants to hear any more of what these ask for.
    var ended: [Number] = []
    /// Each with its resources in the order of their bytes.
    var opened: [(number: Number, uris: [[UInt8]])] = []
    /// What these ask for the opened ones ask for too.
    var replaced: [Number] = []
  }

  private struct Listen {
    var uris: [[UInt8]]
    /// How many of them are wanted and asked for by no later one.
    var wanted: Int
  }

  /// What is known of a resource that is wanted, or that a listen still asks for.
  private struct Entry {
    var isWanted = false
    /// The latest listen that asks for it.
    var asker: Number?
    /// The acknowledged listen whose word on it counts.
    var teller: Number?
    /// The refused listen as a part of which it is tried.
    var refusal: Number?

    var isIdle: Bool { !isWanted && asker == nil && teller == nil }
  }

  /// A refused listen, until each of its resources is taken, refused or unwanted.
  private struct Refusal {
    /// How many of them one listen asks for: half of what was refused.
    let portion: Int
    /// Wanted, and asked for by no listen.
    var missing: Set<[UInt8]> = []
    var undecided = 0
    /// Something else than its size may have been the reason: one of its resources, or what was refused of it again.
    var isExplained = false
  }

  /// Resources that one listen asks for at most: half of what SDK servers take, and less for those that refuse that.
  private(set) var most = Self.ceiling
  private static let ceiling = 512
  /// Listens of that size that were taken since it was set.
  private var full = 0
  /// How many of about the same size are put together.
  private static let fanIn = 8
  private var listens: [Number: Listen] = [:]
  private var entries: [[UInt8]: Entry] = [:]
  /// What is wanted and no listen asks for, but for what was refused together with others.
  private var missing: Set<[UInt8]> = []
  private var refusals: [Number: Refusal] = [:]
  /// An upstream refused a listen to each of these alone.
  private(set) var refused: Set<[UInt8]> = []
  private var next: Number = 1

  var isEmpty: Bool { listens.isEmpty }

  /// - Parameter changes: what is wanted or not since the last call.
  mutating func settle(_ changes: Interests.Changes) -> Change {
    var change = Change()
    var touched: Set<Number> = []
    for uri in changes.unwanted {
      guard var entry = entries[uri], entry.isWanted else { continue }
      entry.isWanted = false
      missing.remove(uri)
      refused.remove(uri)
      if let asker = entry.asker {
        listens[asker]?.wanted -= 1
        touched.insert(asker)
      }
      decide(uri, &entry, isExplained: true)
      keep(entry, uri)
    }
    for uri in changes.wanted {
      var entry = entries[uri] ?? Entry()
      guard !entry.isWanted else { continue }
      entry.isWanted = true
      if let asker = entry.asker { listens[asker]?.wanted += 1 } else { missing.insert(uri) }
      entries[uri] = entry
    }
    for number in touched where listens[number]?.wanted == 0 {
      end(number)
      change.ended.append(number)
    }
    // Many that nobody wants any more are as good a reason to ask anew as one that is missing.
    for number in touched {
      guard let listen = listens[number], listen.uris.count - listen.wanted > max(listen.uris.count / 2, 64) else {
        continue
      }
      askAnew(number, &change)
    }
    while !missing.isEmpty, missing.count * 2 <= most {
      let magnitude = Self.magnitude(of: missing.count)
      let peers = listens.filter {
        Self.magnitude(of: $0.value.uris.count) == magnitude && !change.replaced.contains($0.key)
      }
      guard peers.count >= Self.fanIn - 1 else { break }
      for number in peers.keys { askAnew(number, &change) }
    }
    openMissing(&change)
    return change
  }

  private mutating func askAnew(_ number: Number, _ change: inout Change) {
    for uri in listens[number]?.uris ?? [] where entries[uri]?.asker == number && entries[uri]?.isWanted == true {
      miss(uri, entries[uri]?.refusal)
    }
    change.replaced.append(number)
  }

  private mutating func miss(_ uri: [UInt8], _ refusal: Number?) {
    if let refusal { refusals[refusal]?.missing.insert(uri) } else { missing.insert(uri) }
  }

  private mutating func openMissing(_ change: inout Change) {
    open(missing, most, &change)
    missing = []
    for (number, refusal) in refusals.sorted(by: { $0.key < $1.key }) {
      open(refusal.missing, refusal.portion, &change)
      refusals[number]?.missing = []
    }
  }

  private mutating func open(_ uris: Set<[UInt8]>, _ portion: Int, _ change: inout Change) {
    var rest = uris.sorted { $0.lexicographicallyPrecedes($1) }[...]
    while !rest.isEmpty {
      let uris = Array(rest.prefix(portion))
      rest = rest.dropFirst(portion)
      listens[next] = Listen(uris: uris, wanted: uris.count)
      for uri in uris {
        if let former = entries[uri]?.asker { listens[former]?.wanted -= 1 }
        entries[uri]?.asker = next
      }
      change.opened.append((next, uris))
      next += 1
    }
  }

  private mutating func keep(_ entry: Entry, _ uri: [UInt8]) { entries[uri] = entry.isIdle ? nil : entry }

  /// Digits of a number in base `fanIn`.
  private static func magnitude(of count: Int) -> Int {
    var (digits, rest) = (0, count)
    while rest > 0 { (digits, rest) = (digits + 1, rest / fanIn) }
    return digits
  }

  /// From now on this one tells of what it asks for.
  mutating func acknowledged(_ number: Number) {
    guard let uris = listens[number]?.uris else { return }
    for uri in uris {
      guard var entry = entries[uri] else { continue }
      entry.teller = number
      if entry.asker == number { decide(uri, &entry, isExplained: false) }
      entries[uri] = entry
    }
    guard uris.count == most, most < Self.ceiling else { return }
    full += 1
    // What it was short of it may have by now.
    if full == Self.fanIn { keepAtMost(min(2 * most, Self.ceiling)) }
  }

  private mutating func keepAtMost(_ count: Int) { (most, full) = (count, 0) }

  /// The resource is no longer tried as a part of a refused listen. If each of them was taken in the end, it was too large.
  private mutating func decide(_ uri: [UInt8], _ entry: inout Entry, isExplained: Bool) {
    guard let number = entry.refusal, var refusal = refusals[number] else { return }
    entry.refusal = nil
    refusal.missing.remove(uri)
    refusal.undecided -= 1
    refusal.isExplained = refusal.isExplained || isExplained
    refusals[number] = refusal.undecided > 0 ? refusal : nil
    if refusal.undecided == 0, !refusal.isExplained { keepAtMost(min(most, refusal.portion)) }
  }

  mutating func end(_ number: Number) {
    for uri in listens.removeValue(forKey: number)?.uris ?? [] {
      guard var entry = entries[uri] else { continue }
      if entry.teller == number { entry.teller = nil }
      if entry.asker == number {
        entry.asker = nil
        if entry.isWanted { miss(uri, entry.refusal) }
      }
      keep(entry, uri)
    }
  }

  /// The upstream does not take such a listen: its halves are tried by the next `settle`, as far as there are.
  mutating func refuse(_ number: Number) {
    guard let uris = listens[number]?.uris else { return }
    end(number)
    var refusal = Refusal(portion: (uris.count + 1) / 2)
    for uri in uris {
      guard var entry = entries[uri], entry.isWanted, entry.asker == nil else { continue }
      decide(uri, &entry, isExplained: true)
      missing.remove(uri)
      if uris.count > 1 {
        entry.refusal = number
        refusal.missing.insert(uri)
        refusal.undecided += 1
      } else {
        refused.insert(uri)
      }
      entries[uri] = entry
    }
    // Whoever does not want a part any more may have wanted what it was refused for.
    refusal.isExplained = refusal.undecided < uris.count
    if refusal.undecided > 0 { refusals[number] = refusal }
  }

  /// Whether a change of this resource is taken from that listen: a change may come on several, as what lies below a
  /// resource that one of them names.
  func isTold(_ uri: [UInt8], by number: Number) -> Bool {
    if let teller = entries[uri]?.teller { return teller == number }
    return nearestTeller(above: uri).map { $0 == number } ?? true
  }

  private func nearestTeller(above uri: [UInt8]) -> Number? {
    let borders = uri.indices.filter { uri[$0] == UInt8(ascii: "/") }
    // Looked up by name as long as there are more names than places where one could end: a server chooses its URIs.
    guard borders.count * 2 < entries.count else {
      let above = entries.filter { $0.value.teller != nil && UpstreamSession.covers($0.key, uri) }
      return above.max { $0.key.count < $1.key.count }?.value.teller
    }
    for border in borders.reversed() {
      if let teller = entries[Array(uri[...border])]?.teller ?? entries[Array(uri[..<border])]?.teller { return teller }
    }
    return nil
  }
}
