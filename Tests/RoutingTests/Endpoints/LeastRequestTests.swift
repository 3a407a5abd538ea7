import Routing
import Testing
import Wire

/// Who has least to do.
@Suite struct LeastRequestTests {
  @Test("of the two that are drawn never the more loaded one is taken, by weight")
  func neverTheMoreLoaded() {
    for seed in UInt64(0)..<2000 {
      var random = SplitMix(state: seed)
      let count = Int.random(in: 4...20, using: &random)
      let weights = (0..<count).map { _ in Int.random(in: 1...5, using: &random) }
      let loads = (0..<count).map { _ in Int.random(in: 0...50, using: &random) }
      var choice = EndpointChoice(.leastRequest(weights: weights), seed: seed)
      var asked: [Int] = []
      let chosen = choice.choose(key: nil) { member in
        asked.append(member)
        return EndpointCondition(load: loads[member])
      }!
      #expect(asked.count == 2 && asked[0] != asked[1] && asked.contains(chosen))
      #expect(asked.allSatisfy { loads[chosen] * weights[$0] <= loads[$0] * weights[chosen] }, "seed \(seed)")
    }
  }

  @Test("of three all are looked at")
  func ofFewTheLeast() {
    for seed in UInt64(0)..<500 {
      var random = SplitMix(state: seed)
      let count = Int.random(in: 1...3, using: &random)
      let weights = (0..<count).map { _ in Int.random(in: 1...5, using: &random) }
      let loads = (0..<count).map { _ in Int.random(in: 0...9, using: &random) }
      var choice = EndpointChoice(.leastRequest(weights: weights), seed: seed)
      let chosen = choice.choose(key: nil) { EndpointCondition(load: loads[$0]) }!
      #expect((0..<count).allSatisfy { loads[chosen] * weights[$0] <= loads[$0] * weights[chosen] })
    }
  }

  @Test("where nearly all are out, the one that is left is found")
  func oneIsLeft() {
    var choice = EndpointChoice(.leastRequest(weights: Array(repeating: 1, count: 200)), seed: 4)
    for member in 0..<200 {
      #expect(choice.choose(key: nil) { EndpointCondition($0 == member ? .usable : .down) } == member)
    }
  }

  /// How often each of so many idle endpoints is taken.
  private func taken(_ weights: [Int], shares: [Int]? = nil, calls: Int = 40_000) -> [Double] {
    var choice = EndpointChoice(.leastRequest(weights: weights), seed: 9)
    var counts = Array(repeating: 0, count: weights.count)
    for _ in 0..<calls { counts[choice.choose(key: nil) { EndpointCondition(share: shares?[$0] ?? 1024) }!] += 1 }
    return counts.map { Double($0) / Double(calls) }
  }

  @Test(
    "idle endpoints share calls as weights say", arguments: [[1, 2, 3], [1, 1], [1, 2, 3, 4], [5, 1, 1, 1, 1, 1]])
  func byWeight(weights: [Int]) {
    let sum = Double(weights.reduce(0, +))
    for (taken, weight) in zip(taken(weights), weights) { #expect(abs(taken - Double(weight) / sum) < 0.015) }
  }

  @Test("one that comes back has its share", arguments: [2, 3, 8])
  func slowStart(count: Int) {
    let shares = (0..<count).map { $0 == 1 ? 256 : 1024 }
    let taken = taken(Array(repeating: 1, count: count), shares: shares)
    #expect(abs(taken[1] - 0.25 / (Double(count) - 0.75)) < 0.012, "\(taken)")
  }

  @Test("under load, one that comes back has no more in flight than its share")
  func slowStartUnderLoad() {
    var loads = Array(repeating: 0, count: 6)
    var choice = EndpointChoice(.leastRequest(weights: Array(repeating: 1, count: 6)), seed: 2)
    for _ in 0..<2000 {
      loads[choice.choose(key: nil) { EndpointCondition(load: loads[$0], share: $0 == 0 ? 128 : 1024) }!] += 1
    }
    #expect(abs(Double(loads[0]) / 2000 - 0.125 / 5.125) < 0.01, "\(loads)")
  }
}
