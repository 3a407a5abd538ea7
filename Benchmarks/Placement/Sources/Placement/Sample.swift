import Endpoints
import Wire

/// Endpoints and keys that are the same in every run.
enum Sample {
  static func keys(_ count: Int) -> [RoutingKey] {
    var random = SplitMix(state: 1)
    return (0..<count).map { _ in RoutingKey(high: random.next(), low: random.next()) }
  }

  /// - Parameter group: another number, other names.
  static func members(_ count: Int, weighted: Bool, group: Int = 0) -> [Ring.Member] {
    (0..<count).map { number in
      Ring.Member(
        identity: Array("http://10.\(group).0.\(number + 1):8000/mcp".utf8), weight: weighted ? number % 3 + 1 : 1)
    }
  }
}

/// What became of keys.
struct Spread {
  let keys: [RoutingKey]

  /// The most that a member has for its weight, divided by the mean.
  func most(_ way: Way, _ members: [Ring.Member]) -> Double {
    var counts = Array(repeating: 0, count: members.count)
    for home in way.placement(members).homes(keys) { counts[Int(home)] += 1 }
    let weight = members.reduce(0) { $0 + $1.weight }
    return zip(counts, members).map { Double($0) * Double(weight) / Double($1.weight) / Double(keys.count) }.max()!
  }

  /// How many move when the last member comes, divided by its share.
  func moved(_ way: Way, _ members: [Ring.Member]) -> Double {
    let before = way.placement(Array(members.dropLast())).homes(keys)
    let moved = zip(before, way.placement(members).homes(keys)).count { $0 != $1 }
    let weight = members.reduce(0) { $0 + $1.weight }
    return Double(moved) / Double(keys.count) * Double(weight) / Double(members.last!.weight)
  }
}
