import Wire

/// Which of the gateway's own listens to a modern upstream asks for which resources.
///
/// The filter of a listen is fixed (PROTOCOL section 13), so what is newly wanted is asked for by another one. Eight of about
/// the same size are put together: few are open at a time, none asks for more than upstreams take, and what is long wanted is
/// seldom asked for anew. A change costs what it brings, however much is wanted already. A value without I/O.
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

    var isIdle: Bool { !isWanted && asker == nil && teller == nil }
  }

  /// Resources that one listen asks for at most: half of what SDK servers take, and less for those that refuse that.
  private(set) var most = 512
  /// How many of about the same size are put together.
  private static let fanIn = 8
  private var listens: [Number: Listen] = [:]
  private var entries: [[UInt8]: Entry] = [:]
  /// What is wanted and no listen asks for.
  private var missing: Set<[UInt8]> = []
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
    guard !missing.isEmpty else { return change }
    while missing.count * 2 <= most {
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
      missing.insert(uri)
    }
    change.replaced.append(number)
  }

  private mutating func openMissing(_ change: inout Change) {
    var rest = missing.sorted { $0.lexicographicallyPrecedes($1) }[...]
    missing = []
    while !rest.isEmpty {
      let uris = Array(rest.prefix(most))
      rest = rest.dropFirst(most)
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
    for uri in listens[number]?.uris ?? [] { entries[uri]?.teller = number }
  }

  mutating func end(_ number: Number) {
    for uri in listens.removeValue(forKey: number)?.uris ?? [] {
      guard var entry = entries[uri] else { continue }
      if entry.teller == number { entry.teller = nil }
      if entry.asker == number {
        entry.asker = nil
        if entry.isWanted { missing.insert(uri) }
      }
      keep(entry, uri)
    }
  }

  /// The upstream does not take such a listen: smaller ones are tried by the next `settle`, as far as there are.
  mutating func refuse(_ number: Number) {
    guard let uris = listens[number]?.uris else { return }
    end(number)
    if uris.count > 1 {
      most = max(1, uris.count / 2)
    } else if missing.remove(uris[0]) != nil {
      refused.insert(uris[0])
    }
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
