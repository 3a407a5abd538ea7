import Foundation
import Testing

/// Runs that a seed decides: workers stepped in one thread, clients and upstreams that come, go, stall and break.
///
/// `SLUICE_SEED=n` runs one seed, `SLUICE_SEEDS=n` so many, `SLUICE_STEPS=n` that long. With
/// `SWIFT_DETERMINISTIC_HASHING=1` a run repeats but for the keys and session ids that the gateway draws and the moment at
/// which tasks of the control plane begin.
@Suite("Simulation")
struct SimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
  }

  @Test("every request is answered once or its connection ends, and nothing is left over")
  func runs() throws {
    let seeds = Self.number("SLUICE_SEED").map { $0...$0 } ?? 1...(Self.number("SLUICE_SEEDS") ?? 200)
    let steps = Int(Self.number("SLUICE_STEPS") ?? 150)
    var results: [SimulatedCall.Way: Int] = [:]
    for seed in seeds {
      let simulation = try Simulation(seed: seed)
      simulation.run(steps: steps)
      for problem in simulation.problems { Issue.record("SLUICE_SEED=\(seed): \(problem)") }
      results.merge(simulation.results, uniquingKeysWith: +)
    }
    // A script that no longer reaches anything proves nothing.
    guard seeds.count >= 200 else { return }
    for way in SimulatedCall.Way.allCases { #expect(results[way, default: 0] > 0, "no result by \(way)") }
  }
}
