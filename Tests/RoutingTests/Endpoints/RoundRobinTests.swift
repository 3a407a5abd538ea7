import Routing
import Testing
import Wire

/// In turn.
@Suite struct RoundRobinTests {
  private static func turns(
    _ choice: inout EndpointChoice, _ count: Int, _ state: (Int) -> EndpointCondition = { _ in EndpointCondition() }
  ) -> [Int] {
    (0..<count).map { _ in choice.choose(key: nil, state: state)! }
  }

  @Test("each has exactly its weight of every round, wherever it begins")
  func exact() {
    for seed in UInt64(0)..<200 {
      var random = SplitMix(state: seed)
      let weights = (0..<Int.random(in: 1...9, using: &random)).map { _ in Int.random(in: 1...20, using: &random) }
      var choice = EndpointChoice(.roundRobin(weights: weights), seed: seed)
      for _ in 0..<3 {
        let turns = Self.turns(&choice, weights.reduce(0, +))
        #expect(weights.indices.map { member in turns.count { $0 == member } } == weights)
      }
    }
  }

  @Test("turns of a heavy endpoint are spread among the others'")
  func smooth() {
    var choice = EndpointChoice(.roundRobin(weights: [5, 1, 1]), seed: 0)
    #expect(Self.turns(&choice, 14) == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
  }

  @Test("workers do not all begin with the same endpoint")
  func begins() {
    let first = (UInt64(0)..<5).map { seed in
      var choice = EndpointChoice(.roundRobin(weights: [1, 1, 1, 1, 1]), seed: seed)
      return Self.turns(&choice, 1)[0]
    }
    #expect(Set(first) == [0, 1, 2, 3, 4])
  }

  @Test("one that is out has no turn, and makes up for none when it is back")
  func out() {
    var choice = EndpointChoice(.roundRobin(weights: [1, 1, 1]), seed: 0)
    let turns = Self.turns(&choice, 10) { EndpointCondition($0 == 1 ? .down : .usable) }
    #expect(turns == [0, 2, 0, 2, 0, 2, 0, 2, 0, 2])
    #expect(Self.turns(&choice, 6).count { $0 == 1 } == 2)
  }

  @Test("one that comes back has its share of turns")
  func slowStart() {
    var choice = EndpointChoice(.roundRobin(weights: [1, 1, 2]), seed: 0)
    let turns = Self.turns(&choice, 90) { EndpointCondition(share: $0 == 2 ? 128 : 1024) }
    #expect(turns.count { $0 == 2 } == 10)
  }
}
