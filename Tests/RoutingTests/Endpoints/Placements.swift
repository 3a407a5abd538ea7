import Routing
import Wire

/// Endpoints and keys that are the same in every run.
enum Placements {
  /// - Parameter group: another number, other names.
  static func members(_ count: Int, group: Int = 0, weight: (Int) -> Int = { _ in 1 }) -> [Ring.Member] {
    (0..<count).map { number in
      Ring.Member(identity: Array("http://10.\(group).0.\(number + 1):8000/mcp".utf8), weight: weight(number))
    }
  }

  static func keys(_ count: Int, seed: UInt64 = 1) -> [RoutingKey] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in RoutingKey(high: random.next(), low: random.next()) }
  }

  static func order(_ ring: Ring, _ key: RoutingKey) -> [Int] {
    var order: [Int] = []
    var walk = ring.walk(from: key)
    while let member = walk.next() { order.append(member) }
    return order
  }

  /// Where each key belongs.
  static func homes(_ ring: Ring, _ keys: [RoutingKey]) -> [UInt16] { keys.map { UInt16(ring.member(of: $0)!) } }

  /// For each member, its part of all keys divided by its part of all weight.
  static func shares(_ homes: [UInt16], _ members: [Ring.Member]) -> [Double] {
    var counts = Array(repeating: 0, count: members.count)
    for home in homes { counts[Int(home)] += 1 }
    let weight = members.reduce(0) { $0 + $1.weight }
    return zip(counts, members).map { Double($0) / Double(homes.count) * Double(weight) / Double($1.weight) }
  }
}
