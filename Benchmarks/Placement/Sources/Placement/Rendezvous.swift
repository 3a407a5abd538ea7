import Endpoints
import Glibc
import Wire

/// What the ring is measured against: weighted rendezvous hashing (Thaler and Ravishankar, 1998; Schindelhauer and
/// Schomaker, 2005). Every endpoint draws a number for the key, and who has the least of -ln(number) / weight has the
/// key. The bound on loads is the ring's; where an endpoint is at its bound, the next best one has the call.
struct Rendezvous {
  private let seeds: [UInt64]
  private let weights: [Int]
  private let isWeighted: Bool

  init(_ members: [Ring.Member]) {
    seeds = members.map { RoutingKey($0.identity.rawBytes).value }
    weights = members.map(\.weight)
    isWeighted = Set(weights).count > 1
  }

  var byteCount: Int { seeds.count * 16 }

  @inline(__always)
  private func cost(_ key: RoutingKey, _ member: Int) -> Double {
    var random = SplitMix(state: key.value ^ seeds[member])
    let number = Double((random.next() >> 11) + 1) * 0x1p-53
    return -log(number) / Double(weights[member])
  }

  func member(of key: RoutingKey) -> Int? {
    best(key) { _ in true }
  }

  @inline(__always)
  private func best(_ key: RoutingKey, where fits: (Int) -> Bool) -> Int? {
    var best: Int?
    if isWeighted {
      var least = Double.infinity
      for member in seeds.indices where fits(member) {
        let cost = cost(key, member)
        if cost < least { (best, least) = (member, cost) }
      }
    } else {
      // The logarithm changes no order.
      var most: UInt64 = 0
      for member in seeds.indices where fits(member) {
        var random = SplitMix(state: key.value ^ seeds[member])
        let number = random.next()
        if number >= most { (best, most) = (member, number) }
      }
    }
    return best
  }

  /// One pass for the sum of loads, one for the best of those that have room.
  func choose(key: RoutingKey, state: (Int) -> EndpointCondition) -> Int? {
    var (load, weight) = (0, 0)
    for member in seeds.indices {
      let condition = state(member)
      guard condition.standing == .usable else { continue }
      load &+= condition.load
      weight &+= weights[member] &* condition.share
    }
    return best(key) { member in
      let condition = state(member)
      return condition.standing == .usable
        && condition.load &* 4 &* weight < 5 &* (load &+ 1) &* (weights[member] &* condition.share)
    }
  }
}
