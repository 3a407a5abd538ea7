import Wire

/// The endpoints of a cluster on a circle (consistent hashing, Karger et al. 1997, with virtual nodes as in ketama).
/// Each lies on it at many points that follow from its identity alone. A key has two places on it (Appleton and
/// O'Reilly, 2015), and belongs to the point that follows soonest after one of them, which spreads keys as three times
/// as many points would. One that comes takes keys from the others and one that goes leaves its own to them; nothing
/// else moves. The order in which they are given makes no difference.
///
/// Made on the control loop, never changed, read by every worker: what is asked on the path of a call takes no memory.
public struct Ring: Sendable {
  public struct Member: Sendable, Equatable {
    /// What makes it the same endpoint in all processes and after a restart: its URL, or its server's alias and a
    /// number.
    public var identity: [UInt8]
    /// 1...1000; what lies outside counts as the nearest.
    public var weight: Int

    public init(identity: [UInt8], weight: Int = 1) {
      self.identity = identity
      self.weight = weight
    }
  }

  /// What lies beyond has no point. So many bits are what a `Walk` remembers them by.
  public static let mostMembers = 1024
  /// The heaviest member has at most so many points, unless `virtualNodes` is more by itself; all of them, a million.
  static let mostPointsOfOne = 2400
  static let mostPoints = 1 << 20

  /// Ascending. The upper 48 bits say where a point lies, the lower 16 whose it is.
  private var points: [UInt64] = []
  /// Where the points begin whose upper bits are those of the place, or above: as many places as make one or two points
  /// for each, so that a key is found in two or three steps.
  private var starts: [UInt32] = []
  private var shift: UInt64 = 63
  private var members: [Placed] = []

  private struct Placed: Sendable {
    var seed: UInt64
    var weight: Int
  }

  /// - Parameter virtualNodes: points for each unit of weight. Where the heaviest would have more than 2,400 that way,
  ///   everybody has the half of it, a quarter and so on: light members among heavy ones then get their share less
  ///   exactly.
  public init(_ members: [Member], virtualNodes: Int = 150) {
    let given = members.prefix(Self.mostMembers)
    self.members = given.map { member in
      Placed(seed: RoutingKey(member.identity.rawBytes).value, weight: Self.bounded(member.weight))
    }
    // By what they are, not by where they stand.
    let ranked = self.members.indices.sorted { one, other in
      let (one, other) = (self.members[one], self.members[other])
      return (one.seed, one.weight) < (other.seed, other.weight)
    }
    separate(ranked)
    place(ranked, virtualNodes: min(max(virtualNodes, 1), Self.mostPoints))
  }

  static func bounded(_ weight: Int) -> Int { min(max(weight, 1), 1000) }

  /// Members of the same identity must not lie on top of each other.
  private mutating func separate(_ ranked: [Int]) {
    var taken: Set<UInt64> = []
    for member in ranked {
      while !taken.insert(members[member].seed).inserted {
        members[member].seed = RoutingKey.mix(members[member].seed)
      }
    }
  }

  private mutating func place(_ ranked: [Int], virtualNodes: Int) {
    let counts = ranked.map { virtualNodes * members[$0].weight }
    let divisor = Self.divisor(counts, virtualNodes: virtualNodes)
    var unsorted: [UInt64] = []
    for (rank, count) in counts.enumerated() {
      var random = SplitMix(state: members[ranked[rank]].seed)
      for _ in 0..<max(1, (count + divisor / 2) / divisor) {
        unsorted.append(random.next() & ~0xFFFF | UInt64(rank))
      }
    }
    sort(unsorted)
    // Two points may lie at the same place: the rank has settled that alike for every order, now the member is wanted.
    for index in points.indices {
      points[index] = points[index] & ~0xFFFF | UInt64(ranked[Int(points[index] & 0xFFFF)])
    }
  }

  /// A power of two that follows from the heaviest, or, where a million is too few, from all. If it followed from a
  /// common divisor of the weights, all points would be dealt anew whenever a member came that it does not divide.
  private static func divisor(_ counts: [Int], virtualNodes: Int) -> Int {
    let heaviest = counts.max() ?? 0
    let all = counts.reduce(0, +)
    var divisor = 1
    while heaviest / divisor > max(virtualNodes, mostPointsOfOne) || all / divisor > mostPoints { divisor *= 2 }
    return divisor
  }

  /// Points are spread evenly, so that counting them by their upper bits nearly sorts them: 30,000 take a millisecond.
  private mutating func sort(_ unsorted: [UInt64]) {
    let bits = max(1, UInt64.bitWidth - 1 - unsorted.count.leadingZeroBitCount)
    shift = UInt64(64 - bits)
    starts = Array(repeating: 0, count: (1 << bits) + 1)
    for point in unsorted { starts[Int(point &>> shift) + 1] += 1 }
    for index in 1..<starts.count { starts[index] += starts[index - 1] }
    var next = starts
    points = Array(repeating: 0, count: unsorted.count)
    for point in unsorted {
      let bucket = Int(point &>> shift)
      var index = Int(next[bucket])
      while index > Int(starts[bucket]), points[index - 1] > point {
        points[index] = points[index - 1]
        index -= 1
      }
      points[index] = point
      next[bucket] += 1
    }
  }
}

// What is asked of it.
extension Ring {
  public var memberCount: Int { members.count }

  /// Of all members.
  public var pointCount: Int { points.count }

  /// What it takes in memory.
  public var byteCount: Int { points.count * 8 + starts.count * 4 + members.count * MemoryLayout<Placed>.stride }

  /// 1...1000.
  public func weight(of member: Int) -> Int { members[member].weight }

  /// Where a key belongs. Nil where there are no members.
  @inline(__always)
  public func member(of key: RoutingKey) -> Int? {
    guard !points.isEmpty else { return nil }
    let (one, other) = (cursor(at: key.value), cursor(at: RoutingKey.mix(key.value)))
    let nearest = points[one.distance(points.span) <= other.distance(points.span) ? one.index : other.index]
    return Int(truncatingIfNeeded: nearest & 0xFFFF)
  }

  /// All members, each once, beginning with the one a key belongs to: the next ones are its replicas, and each would
  /// have the key if those before it were not there.
  @inline(__always)
  @_lifetime(borrow self)
  public func walk(from key: RoutingKey) -> Walk {
    Walk(
      points: points.span, one: cursor(at: key.value), other: cursor(at: RoutingKey.mix(key.value)),
      members: members.count)
  }

  /// A number that is the member's and the key's alone, to decide by what share of its keys a member has.
  func lot(of key: RoutingKey, for member: Int) -> UInt64 { RoutingKey.mix(key.value ^ members[member].seed) }

  @inline(__always)
  private func cursor(at place: UInt64) -> Cursor {
    let origin = place & ~0xFFFF
    var index = Int(starts[Int(truncatingIfNeeded: place &>> shift)])
    while index < points.count, points[index] < origin { index += 1 }
    return Cursor(origin: origin, index: index == points.count ? 0 : index)
  }

  /// A place on the circle, and a point that is not below it.
  fileprivate struct Cursor {
    let origin: UInt64
    var index: Int

    /// Around the end of the circle, too.
    func distance(_ points: Span<UInt64>) -> UInt64 { (points[index] & ~0xFFFF) &- origin }
  }
}

/// The members of a `Ring` in the order in which a key comes to them.
public struct Walk: ~Escapable {
  private let points: Span<UInt64>
  private var one: Ring.Cursor
  private var other: Ring.Cursor
  private var left: Int
  private var seen = InlineArray<16, UInt64>(repeating: 0)

  @_lifetime(copy points)
  fileprivate init(points: Span<UInt64>, one: Ring.Cursor, other: Ring.Cursor, members: Int) {
    self.points = points
    self.one = one
    self.other = other
    left = members
  }

  /// Nil once each member was there.
  @inline(__always)
  public mutating func next() -> Int? {
    while left > 0 {
      let member = nearer()
      let (word, bit) = (member >> 6, 1 &<< UInt64(member & 63))
      if seen[word] & bit == 0 {
        seen[word] |= bit
        left -= 1
        return member
      }
    }
    return nil
  }

  private mutating func nearer() -> Int {
    if one.distance(points) <= other.distance(points) { return Self.advance(&one, points) }
    return Self.advance(&other, points)
  }

  private static func advance(_ cursor: inout Ring.Cursor, _ points: Span<UInt64>) -> Int {
    let member = Int(truncatingIfNeeded: points[cursor.index] & 0xFFFF)
    cursor.index = cursor.index + 1 == points.count ? 0 : cursor.index + 1
    return member
  }
}
