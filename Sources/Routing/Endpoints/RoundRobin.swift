/// Endpoints in turn, each as often as its weight says and its turns spread evenly among the others' (the smooth
/// weighted round robin of nginx): each gets its weight as credit for every choice, who has most is chosen and pays for
/// all.
struct RoundRobin: Sendable {
  private let weights: [Int]
  private var credits: [Int]

  /// - Parameter seed: with whom it begins, so that workers do not all begin with the same.
  init(weights: [Int], seed: UInt64) {
    self.weights = weights
    credits = Array(repeating: 0, count: weights.count)
    guard !weights.isEmpty else { return }
    for _ in 0..<seed % UInt64(weights.count) { _ = choose(taking: .usable) { _ in EndpointCondition() } }
  }

  @inline(__always)
  mutating func choose(
    taking standing: EndpointCondition.Standing, state: (Int) -> EndpointCondition
  ) -> Int? {
    var richest: Int?
    var all = 0
    for member in weights.indices {
      let condition = state(member)
      guard condition.fits(standing) else { continue }
      let weight = condition.weight(weights[member], as: standing)
      credits[member] &+= weight
      all &+= weight
      if richest.map({ credits[member] > credits[$0] }) ?? true { richest = member }
    }
    if let richest { credits[richest] -= all }
    return richest
  }
}
