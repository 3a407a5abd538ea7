import Foundation
import Testing
import Wire

@testable import Upstream

/// `SLUICE_SEED=n` runs one seed, `SLUICE_SEEDS=n` so many.
@Suite("The pool of several workers")
struct PoolSimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }

  private static var seeds: ClosedRange<UInt64> {
    number("SLUICE_SEED").map { $0...$0 } ?? 1...(number("SLUICE_SEEDS") ?? 300)
  }

  private func bounds(_ random: inout SplitMix) -> PoolBounds {
    var bounds = PoolBounds()
    bounds.size = Int.random(in: 1...12, using: &random)
    bounds.overflow = Int.random(in: 0...6, using: &random)
    bounds.strategy = Bool.random(using: &random) ? .fifo : .lifo
    bounds.checkoutTimeout = UInt64.random(in: 500...8000, using: &random)
    bounds.idleTimeout = UInt64.random(in: 200...20_000, using: &random)
    bounds.maxAge = Bool.random(using: &random) ? .max : UInt64.random(in: 1000...10_000, using: &random)
    bounds.minIdle = Bool.random(using: &random) ? 0 : Int.random(in: 1...bounds.size, using: &random)
    return bounds
  }

  @Test func countsAreExactAndNobodyIsForgotten() {
    for seed in Self.seeds {
      var random = SplitMix(state: seed)
      let bounds = bounds(&random)
      var simulation = PoolSimulation(seed: seed, workers: Int.random(in: 1...5, using: &random), bounds)
      for _ in 0..<8 {
        let rush = Int.random(in: 5...60, using: &random)
        for _ in 0..<40 { simulation.step(rush: rush) }
      }
      simulation.comeToRest()
      #expect(simulation.problems.isEmpty, "SLUICE_SEED=\(seed): \(simulation.problems.prefix(3))")
      #expect(simulation.waiting == 0 && simulation.lettersInFlight == 0, "SLUICE_SEED=\(seed)")
      if !simulation.problems.isEmpty { return }
    }
  }

  /// Each worker has so many callers all the time: who is served calls again.
  private func saturate(
    _ simulation: inout PoolSimulation, callers: Int, rounds: Int, reusable: Bool = true, delivering: Bool = true
  ) {
    for _ in 0..<rounds {
      simulation.now += 1
      for worker in 0..<simulation.workers {
        while simulation.callers(of: worker) < callers { simulation.call(worker) }
      }
      for connection in simulation.connections.keys.sorted()
      where simulation.connections[connection]?.caller != nil && Bool.random(using: &simulation.random) {
        simulation.finish(connection, reusable: reusable)
        simulation.check()
      }
      if delivering { simulation.deliverAll() } else { simulation.deliver() }
    }
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func noWorkerStarvesHoweverFewConnectionsThereAre(_ seed: UInt64) {
    var random = SplitMix(state: seed)
    var bounds = PoolBounds()
    bounds.size = Int.random(in: 1...3, using: &random)
    bounds.overflow = Int.random(in: 0...2, using: &random)
    bounds.checkoutTimeout = .max / 2
    var simulation = PoolSimulation(seed: seed, workers: Int.random(in: 2...6, using: &random), bounds)
    saturate(&simulation, callers: 5, rounds: 300, reusable: seed % 3 != 0, delivering: seed % 2 == 0)
    let least = simulation.servedBy[0..<simulation.workers].min() ?? 0
    let most = simulation.servedBy.max() ?? 0
    #expect(simulation.problems.isEmpty, "\(simulation.problems.prefix(3))")
    #expect(least > 0 && most <= 4 * least, "\(simulation.servedBy) with \(bounds.limit) connections")
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func connectionsStayWhereTheyAreOnceEachWorkerHasItsShare(_ seed: UInt64) {
    var random = SplitMix(state: seed)
    var bounds = PoolBounds()
    let workers = Int.random(in: 1...6, using: &random)
    bounds.size = Int.random(in: workers...40, using: &random)
    bounds.overflow = Int.random(in: 0...20, using: &random)
    bounds.checkoutTimeout = .max / 2
    var simulation = PoolSimulation(seed: seed, workers: workers, bounds)
    // The first worker takes all there is.
    while simulation.waiting == 0 { simulation.call(0) }
    // Some connections break on the way (`finish`): each is replaced where it was.
    saturate(&simulation, callers: 2 * bounds.limit, rounds: 200)
    let shares = (0..<workers).map { simulation.permits.now.held(by: $0) }
    #expect(simulation.problems.isEmpty, "\(simulation.problems.prefix(3))")
    #expect((shares.min() ?? 0) >= bounds.limit / workers, "\(shares) of \(bounds.limit)")
    saturate(&simulation, callers: 2 * bounds.limit, rounds: 100)
    #expect(shares == (0..<workers).map { simulation.permits.now.held(by: $0) })
  }
}
