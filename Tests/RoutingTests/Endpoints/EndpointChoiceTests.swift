import Routing
import Testing
import Wire

/// Whatever the algorithm is.
@Suite struct EndpointChoiceTests {
  static func algorithms(_ weights: [Int]) -> [EndpointChoice.Algorithm] {
    let members = Placements.members(weights.count) { weights[$0] }
    return [.consistentHash(Ring(members)), .leastRequest(weights: weights), .roundRobin(weights: weights)]
  }

  @Test("takes a usable endpoint, an ejected one where none is usable, and one that is down or excluded never")
  func standings() {
    for seed in UInt64(0)..<300 {
      var random = SplitMix(state: seed)
      let count = Int.random(in: 1...12, using: &random)
      let conditions = (0..<count).map { _ in
        EndpointCondition(
          [.usable, .ejected, .down, .down].randomElement(using: &random)!, load: .random(in: 0...9, using: &random),
          share: [0, 1, 500, 1024].randomElement(using: &random)!, isExcluded: .random(using: &random))
      }
      let best = conditions.map(\.standing.rawValue).min()!
      for algorithm in Self.algorithms((0..<count).map { _ in .random(in: 1...1000, using: &random) }) {
        var choice = EndpointChoice(algorithm, seed: seed)
        for key in Placements.keys(5, seed: seed) {
          let chosen = choice.choose(key: key) { conditions[$0] }
          #expect(chosen.map { conditions[$0].standing.rawValue } == (best == 2 ? nil : best))
        }
      }
    }
  }

  @Test("an endpoint that is excluded, or has no share yet, counts as down or as ejected")
  func normalised() {
    #expect(EndpointCondition(.usable, isExcluded: true).standing == .down)
    #expect(EndpointCondition(.ejected, isExcluded: true).standing == .down)
    #expect(EndpointCondition(.usable, share: 0).standing == .ejected)
    #expect(EndpointCondition(.down, share: 0).standing == .down)
    #expect(EndpointCondition(load: -3).load == 0 && EndpointCondition(load: .max).load == 1 << 24)
    #expect(EndpointCondition(share: 5000).share == EndpointCondition.fullShare)
  }

  @Test("the only endpoint is chosen, and where there is none nothing is")
  func edges() {
    for algorithm in Self.algorithms([3]) {
      var choice = EndpointChoice(algorithm, seed: 1)
      #expect(choice.choose(key: nil) { _ in EndpointCondition(load: .max) } == 0)
    }
    for algorithm in Self.algorithms([]) {
      var choice = EndpointChoice(algorithm, seed: 1)
      #expect(choice.choose(key: nil) { _ in EndpointCondition() } == nil)
    }
  }

  @Test("the largest loads, weights and numbers are within bounds")
  func largest() {
    for algorithm in Self.algorithms(Array(repeating: 5000, count: 1024)) {
      var choice = EndpointChoice(algorithm, seed: 1)
      #expect(choice.choose(key: nil) { _ in EndpointCondition(load: .max) } != nil)
      #expect(choice.choose(key: nil) { EndpointCondition($0 == 700 ? .ejected : .down, load: .max) } == 700)
    }
  }

  @Test("calls without a key go anywhere")
  func withoutKey() {
    var choice = EndpointChoice(.consistentHash(Ring(Placements.members(4))), seed: 3)
    var counts = [0, 0, 0, 0]
    for _ in 0..<4000 { counts[choice.choose(key: nil) { _ in EndpointCondition() }!] += 1 }
    #expect(counts.allSatisfy { $0 > 800 }, "\(counts)")
  }
}
