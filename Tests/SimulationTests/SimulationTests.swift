import Foundation
import Testing

/// Runs that a seed decides: workers stepped in one thread, clients and upstreams that come, go, stall and break.
///
/// `SLUICE_SEED=n` runs one seed, `SLUICE_SEEDS=n` so many, `SLUICE_STEPS=n` that long. With
/// `SWIFT_DETERMINISTIC_HASHING=1` a run repeats but for the keys and session ids that the gateway draws.
@Suite("Simulation")
struct SimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
  }

  @Test("every request is answered once or its connection ends, and nothing is left over")
  func runs() throws {
    let seeds = Self.number("SLUICE_SEED").map { $0...$0 } ?? 1...(Self.number("SLUICE_SEEDS") ?? 200)
    let steps = Int(Self.number("SLUICE_STEPS") ?? 150)
    for seed in seeds {
      let problems = try Simulation.problems(seed: seed, steps: steps)
      for problem in problems { Issue.record("SLUICE_SEED=\(seed): \(problem)") }
    }
  }
}
