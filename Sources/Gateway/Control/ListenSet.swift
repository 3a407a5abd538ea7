import Wire

/// Which of the gateway's own listens to a modern upstream asks for which resources.
///
/// The filter of a listen is fixed (PROTOCOL section 13), so what is newly wanted is asked for by another one. Eight of about
/// the same size are put together: few are open at a time, none asks for more than upstreams take, and what is long wanted is
/// seldom asked for anew. A value without I/O.
struct ListenSet {
  typealias Number = Int

  /// What is to be done, in this order.
  struct Change {
    /// Nobody wants to hear any more of what these ask for.
    var ended: [Number] = []
    var opened: [(number: Number, uris: Set<[UInt8]>)] = []
    /// What these ask for the opened ones ask for too.
    var replaced: [Number] = []
  }

  /// Resources that one listen asks for at most: half of what SDK servers take, and less for those that refuse that.
  private(set) var most = 512
  /// How many of about the same size are put together.
  private static let fanIn = 8
  private var listens: [Number: Set<[UInt8]>] = [:]
  private var owners: [[UInt8]: Number] = [:]
  /// An upstream refused a listen to each of these alone.
  private var refused: Set<[UInt8]> = []
  private var next: Number = 1

  var isEmpty: Bool { listens.isEmpty }

  mutating func settle(_ wanted: Set<[UInt8]>) -> Change {
    var change = Change()
    refused.formIntersection(wanted)
    for (number, uris) in listens where uris.isDisjoint(with: wanted) {
      end(number)
      change.ended.append(number)
    }
    var missing = wanted.subtracting(refused)
    for uris in listens.values { missing.subtract(uris) }
    // Many that nobody wants any more are as good a reason to ask anew as one that is missing.
    let stale = listens.filter { $0.value.count - $0.value.intersection(wanted).count > max($0.value.count / 2, 64) }
    guard !missing.isEmpty || !stale.isEmpty else { return change }
    for (number, uris) in stale {
      missing.formUnion(uris.intersection(wanted))
      change.replaced.append(number)
    }
    while missing.count * 2 <= most {
      let magnitude = Self.magnitude(of: missing.count)
      let peers = listens.filter {
        Self.magnitude(of: $0.value.count) == magnitude && !change.replaced.contains($0.key)
      }
      guard peers.count >= Self.fanIn - 1 else { break }
      for (number, uris) in peers {
        missing.formUnion(uris.intersection(wanted))
        change.replaced.append(number)
      }
    }
    var rest = missing.sorted { $0.lexicographicallyPrecedes($1) }[...]
    while !rest.isEmpty {
      let uris = Set(rest.prefix(most))
      rest = rest.dropFirst(most)
      listens[next] = uris
      change.opened.append((next, uris))
      next += 1
    }
    return change
  }

  /// Digits of a number in base `fanIn`.
  private static func magnitude(of count: Int) -> Int {
    var (digits, rest) = (0, count)
    while rest > 0 { (digits, rest) = (digits + 1, rest / fanIn) }
    return digits
  }

  /// From now on this one tells of what it asks for.
  mutating func acknowledged(_ number: Number) {
    for uri in listens[number] ?? [] { owners[uri] = number }
  }

  mutating func end(_ number: Number) {
    for uri in listens.removeValue(forKey: number) ?? [] where owners[uri] == number { owners[uri] = nil }
  }

  /// The upstream does not take such a listen: smaller ones are tried, as far as there are.
  mutating func refuse(_ number: Number) {
    guard let uris = listens[number] else { return }
    end(number)
    if uris.count > 1 { most = max(1, uris.count / 2) } else { refused.formUnion(uris) }
  }

  /// Whether a change of this resource is taken from that listen: a change may come on several, as what lies below a
  /// resource that one of them names.
  func isTold(_ uri: [UInt8], by number: Number) -> Bool {
    if let owner = owners[uri] { return owner == number }
    for border in uri.indices.reversed() where uri[border] == UInt8(ascii: "/") {
      if let owner = owners[Array(uri[...border])] ?? owners[Array(uri[..<border])] { return owner == number }
    }
    return true
  }
}
