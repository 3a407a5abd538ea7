import Wire

/// The endpoint with the least load for its weight: of two that are drawn (Mitzenmacher, 2001), or of all where there
/// are few. What was drawn first has it where both are alike, and draws follow the weights, so that idle endpoints
/// share calls as weights say.
struct LeastRequest: Sendable {
  private let weights: [Int]
  /// The sum of the weights up to each, it included.
  private let sums: [Int]
  private var random: SplitMix

  /// So many are looked at one by one.
  static let few = 3
  /// Draws before all are looked at: most may be out, or one outweigh all others.
  static let mostDraws = 16

  init(weights: [Int], seed: UInt64) {
    var sum = 0
    self.weights = weights
    sums = weights.map { weight in
      sum += weight
      return sum
    }
    random = SplitMix(state: seed)
  }

  @inline(__always)
  mutating func choose(
    taking standing: EndpointCondition.Standing, state: (Int) -> EndpointCondition
  ) -> Int? {
    if standing == .usable, weights.count > Self.few, let pair = drawPair(state) { return pair.least }
    return leastOfAll(taking: standing, state: state)
  }

  /// How much an endpoint has to do for what it can.
  private struct Candidate {
    var member: Int
    var load: Int
    /// In 1,024ths.
    var weight: Int

    func isBelow(_ other: Candidate) -> Bool { load &* other.weight < other.load &* weight }

    func isLevel(with other: Candidate) -> Bool { load &* other.weight == other.load &* weight }
  }

  private struct Pair {
    var first: Candidate
    var second: Candidate

    var least: Int { second.isBelow(first) ? second.member : first.member }
  }

  private func candidate(
    _ member: Int, _ condition: EndpointCondition, _ standing: EndpointCondition.Standing
  ) -> Candidate {
    Candidate(
      member: member, load: condition.load, weight: condition.weight(weights[member], as: standing))
  }

  /// Two different ones. Nil if the draws did not bring them.
  @inline(__always)
  private mutating func drawPair(_ state: (Int) -> EndpointCondition) -> Pair? {
    var first: Candidate?
    for _ in 0..<Self.mostDraws {
      let word = random.next()
      let member = drawn(word)
      if first?.member == member { continue }
      let condition = state(member)
      // The lower bits, which no draw of a member depends on: one that comes back takes part with its share.
      guard condition.fits(.usable), Int(truncatingIfNeeded: word & 1023) < condition.share else { continue }
      let candidate = candidate(member, condition, .usable)
      guard let first else {
        first = candidate
        continue
      }
      return Pair(first: first, second: candidate)
    }
    return nil
  }

  /// The member that the upper half of a random word comes to, as weights say.
  private func drawn(_ word: UInt64) -> Int {
    let place = Int(truncatingIfNeeded: ((word &>> 32) &* UInt64(sums[sums.count - 1])) &>> 32)
    var (low, high) = (0, sums.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if sums[middle] > place { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Of several that are alike, each with the chance that its weight gives it.
  @inline(__always)
  private mutating func leastOfAll(
    taking standing: EndpointCondition.Standing, state: (Int) -> EndpointCondition
  ) -> Int? {
    var least: Candidate?
    var level = 0
    for member in weights.indices {
      let condition = state(member)
      guard condition.fits(standing) else { continue }
      let candidate = candidate(member, condition, standing)
      guard let best = least, !candidate.isBelow(best) else {
        least = candidate
        level = candidate.weight
        continue
      }
      guard candidate.isLevel(with: best) else { continue }
      level &+= candidate.weight
      if (Int(truncatingIfNeeded: random.next() &>> 40) &* level) &>> 24 < candidate.weight { least = candidate }
    }
    return least?.member
  }
}
