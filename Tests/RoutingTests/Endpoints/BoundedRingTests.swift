import Routing
import Testing
import Wire

/// Consistent hashing, with what endpoints have to do.
@Suite struct BoundedRingTests {
  /// Calls that come and end at random, while endpoints go, are ejected and come back.
  private struct Run {
    var random: SplitMix
    let weights: [Int]
    var choice: EndpointChoice
    var conditions: [EndpointCondition]

    init(seed: UInt64) {
      random = SplitMix(state: seed)
      let count = Int.random(in: 1...8, using: &random)
      var drawn: [Int] = []
      for _ in 0..<count { drawn.append(.random(in: 1...[1, 4, 1000].randomElement(using: &random)!, using: &random)) }
      weights = drawn
      choice = EndpointChoice(
        .consistentHash(Ring(Placements.members(count, group: Int(seed % 200)) { drawn[$0] }, virtualNodes: 20)),
        seed: seed)
      conditions = Array(repeating: EndpointCondition(), count: count)
    }

    mutating func disturb() {
      let member = Int.random(in: conditions.indices, using: &random)
      conditions[member] = EndpointCondition(
        [.usable, .usable, .usable, .ejected, .down].randomElement(using: &random)!, load: conditions[member].load,
        share: Bool.random(using: &random) ? 1024 : .random(in: 1...1024, using: &random))
    }

    mutating func end() {
      let member = Int.random(in: conditions.indices, using: &random)
      add(-1, to: member)
    }

    mutating func add(_ calls: Int, to member: Int) {
      let was = conditions[member]
      conditions[member] = EndpointCondition(was.standing, load: was.load + calls, share: was.share)
    }

    /// ceil(1.25 * the share of all loads), the new call among them.
    func bound(_ member: Int) -> Int {
      let usable = conditions.contains { $0.standing == .usable }
      let fit = conditions.indices.filter { conditions[$0].standing == (usable ? .usable : .ejected) }
      func weight(_ member: Int) -> Int { weights[member] * (usable ? conditions[member].share : 1024) }
      let all = fit.reduce(0) { $0 + weight($1) }
      let loads = fit.reduce(1) { $0 + conditions[$1].load }
      return (5 * loads * weight(member) + 4 * all - 1) / (4 * all)
    }
  }

  @Test("no call is taken above 1.25 times the share while others are usable, whatever happens", arguments: 0..<20)
  func bounded(hundred: Int) {
    for seed in UInt64(hundred * 100)..<UInt64(hundred * 100 + 100) {
      var run = Run(seed: seed)
      let keys = Placements.keys(6, seed: seed)
      for step in 0..<120 {
        if step % 20 == 19 { run.disturb() }
        if step % 3 == 2 { run.end() }
        let key = keys.randomElement(using: &run.random)!
        let conditions = run.conditions
        guard let chosen = run.choice.choose(key: key, state: { conditions[$0] }) else {
          #expect(conditions.allSatisfy { $0.standing == .down })
          continue
        }
        #expect(conditions[chosen].load + 1 <= run.bound(chosen), "seed \(seed), step \(step)")
        run.add(1, to: chosen)
      }
    }
  }

  @Test("a key stays where it belongs as long as that is not at its bound, and then goes to the next that is not")
  func goesOn() {
    let ring = Ring(Placements.members(4))
    var choice = EndpointChoice(.consistentHash(ring), seed: 1)
    for key in Placements.keys(100) {
      let order = Placements.order(ring, key)
      // 13 calls with this one: the bound is ceil(1.25 * 13 / 4) = 5.
      func chosen(_ loads: [Int]) -> Int? {
        choice.choose(key: key) { member in EndpointCondition(load: loads[order.firstIndex(of: member) ?? 0]) }
      }
      #expect(chosen([4, 4, 4, 0]) == order[0])
      #expect(chosen([5, 4, 3, 0]) == order[1])
      #expect(chosen([5, 5, 2, 0]) == order[2])
      #expect(chosen([6, 6, 0, 0]) == order[2])
    }
  }

  @Test("the key of an endpoint that is out goes to its replicas in turn")
  func replicas() {
    let ring = Ring(Placements.members(5))
    var choice = EndpointChoice(.consistentHash(ring), seed: 1)
    for key in Placements.keys(100) {
      let order = Placements.order(ring, key)
      for out in 0..<5 {
        let gone = order.prefix(out)
        #expect(choice.choose(key: key) { EndpointCondition(gone.contains($0) ? .down : .usable) } == order[out])
      }
    }
  }

  @Test("an endpoint that comes back has a growing part of its keys, and loses none that it has")
  func slowStart() {
    let ring = Ring(Placements.members(4))
    var choice = EndpointChoice(.consistentHash(ring), seed: 1)
    let own = Placements.keys(20_000).filter { ring.member(of: $0) == 2 }
    var before: Set<RoutingKey> = []
    for share in [64, 256, 512, 1000, 1024] {
      let has = Set(own.filter { choice.choose(key: $0) { EndpointCondition(share: $0 == 2 ? share : 1024) } == 2 })
      #expect(abs(Double(has.count) / Double(own.count) - Double(share) / 1024) < 0.03)
      #expect(has.isSuperset(of: before))
      before = has
    }
  }

  @Test("where all come back at once, keys are where they belong")
  func allComeBack() {
    let ring = Ring(Placements.members(4))
    var choice = EndpointChoice(.consistentHash(ring), seed: 1)
    #expect(
      Placements.keys(500).allSatisfy {
        choice.choose(key: $0) { _ in EndpointCondition(share: 10) } == ring.member(of: $0)
      })
  }

  @Test("somebody is chosen although loads grow while they are looked at")
  func racing() {
    var choice = EndpointChoice(.consistentHash(Ring(Placements.members(3))), seed: 1)
    var asked = 0
    for key in Placements.keys(100) {
      let chosen = choice.choose(key: key) { _ in
        asked += 1
        return EndpointCondition(load: asked * 100)
      }
      #expect(chosen != nil)
    }
  }
}
