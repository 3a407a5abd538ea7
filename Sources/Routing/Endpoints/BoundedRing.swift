/// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2018): a key goes to where it belongs on
/// the ring, or on to the next endpoint that is not at its bound. As long as nobody is, all calls of a key meet the
/// same one.
struct BoundedRing: Sendable {
  let ring: Ring

  @inline(__always)
  func choose(key: RoutingKey, state: (Int) -> EndpointCondition) -> Int? {
    guard let home = ring.member(of: key) else { return nil }
    let condition = state(home)
    // Whoever has nothing to do is below every bound: the others need not be asked.
    if condition.standing == .usable, condition.load == 0, condition.share == EndpointCondition.fullShare {
      return home
    }
    return choose(key: key, home, condition, taking: .usable, state: state)
      ?? choose(key: key, home, condition, taking: .ejected, state: state)
  }

  /// - Parameter standing: what the call takes: usable endpoints, or ejected ones too.
  private func choose(
    key: RoutingKey, _ home: Int, _ condition: EndpointCondition, taking standing: EndpointCondition.Standing,
    state: (Int) -> EndpointCondition
  ) -> Int? {
    let sum = sum(taking: standing, state: state)
    guard sum.weight > 0 else { return nil }
    let answer = answer(of: home, condition, to: key, taking: standing, sum, state: state)
    return answer == .takes ? home : walk(from: key, taking: standing, sum, state: state)
  }

  @inline(never)
  private func walk(
    from key: RoutingKey, taking standing: EndpointCondition.Standing, _ sum: Sum, state: (Int) -> EndpointCondition
  ) -> Int? {
    var leaves: Int?
    var full: Int?
    var walk = ring.walk(from: key)
    while let member = walk.next() {
      switch answer(of: member, state(member), to: key, taking: standing, sum, state: state) {
      case .takes: return member
      case .leaves: leaves = leaves ?? member
      case .isFull: full = full ?? member
      case .isOut: continue
      }
    }
    // Somebody has room, unless loads have changed under the walk.
    return leaves ?? full
  }

  private enum Answer { case takes, leaves, isFull, isOut }

  @inline(__always)
  private func answer(
    of member: Int, _ condition: EndpointCondition, to key: RoutingKey, taking standing: EndpointCondition.Standing,
    _ sum: Sum, state: (Int) -> EndpointCondition
  ) -> Answer {
    guard condition.fits(standing) else { return .isOut }
    let weight = condition.weight(ring.weight(of: member), as: standing)
    guard sum.hasRoom(for: condition.load, weight: weight) else { return .isFull }
    guard standing == .usable, condition.share < EndpointCondition.fullShare else { return .takes }
    return has(member, key, share: condition.share, state: state) ? .takes : .leaves
  }

  /// Whether a key is among those that an endpoint has already while it comes back: it keeps them when it has more.
  /// Where all come back, the one that is furthest has all of its own.
  @inline(never)
  private func has(_ member: Int, _ key: RoutingKey, share: Int, state: (Int) -> EndpointCondition) -> Bool {
    var largest = 0
    for other in 0..<ring.memberCount {
      let condition = state(other)
      if condition.fits(.usable) { largest = max(largest, condition.share) }
    }
    let lot = Int(truncatingIfNeeded: ring.lot(of: key, for: member) & 1023)
    return lot &* largest < share &* 1024
  }

  /// What the endpoints that fit come to.
  private struct Sum {
    var load = 0
    /// In 1,024ths.
    var weight = 0

    /// Whether a load is below ceil(1.25 * its share of all loads), with this call counted among them.
    func hasRoom(for load: Int, weight: Int) -> Bool {
      load &* 4 &* self.weight < 5 &* (self.load &+ 1) &* weight
    }
  }

  @inline(__always)
  private func sum(taking standing: EndpointCondition.Standing, state: (Int) -> EndpointCondition) -> Sum {
    var sum = Sum()
    for member in 0..<ring.memberCount {
      let condition = state(member)
      guard condition.fits(standing) else { continue }
      sum.load &+= condition.load
      sum.weight &+= condition.weight(ring.weight(of: member), as: standing)
    }
    return sum
  }
}
