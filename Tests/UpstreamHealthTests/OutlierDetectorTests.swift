import Testing
import Upstream
import Wire

@testable import UpstreamHealth

@Suite("Outliers among endpoints")
struct OutlierDetectorTests {
  private static let timeout = CallOutcome.failure(.timeout)

  private func detector(_ endpoints: Int, _ policy: OutlierPolicy = OutlierPolicy()) -> OutlierDetector {
    OutlierDetector(policy, endpoints: endpoints, now: 0)
  }

  private func fail(_ detector: inout OutlierDetector, _ endpoint: Int, _ times: Int = 3, at now: UInt64) -> UInt64? {
    var time: UInt64?
    for _ in 0..<times {
      if case .ejected(endpoint, let milliseconds) = detector.ended(endpoint, Self.timeout, now: now) {
        time = milliseconds
      }
    }
    return time
  }

  @Test("Three failures in a row take an endpoint out, for half a minute")
  func streak() {
    var detector = detector(2)
    #expect(fail(&detector, 0, 2, at: 0) == nil)
    _ = detector.ended(0, .success, now: 0)
    #expect(fail(&detector, 0, 2, at: 0) == nil)
    _ = detector.ended(0, .withdrawn, now: 0)
    #expect(fail(&detector, 0, 1, at: 500) == 30_000 && detector.isEjected(0))
    #expect(detector.share(of: 0, now: 500) == 0 && detector.share(of: 1, now: 500) == 1)
    #expect(!detector.tick(now: 30_499).contains(.returned(0)))
    #expect(detector.tick(now: 30_500) == [.returned(0)])
  }

  @Test("A breaker that opens takes its endpoint out")
  func breaker() {
    var detector = detector(2)
    #expect(detector.opened(1, now: 0) == .ejected(1, milliseconds: 30_000))
    #expect(detector.opened(1, now: 1) == nil && detector.opened(0, now: 1) == nil)
  }

  @Test("Half of them may be out, and never all")
  func cap() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (9, 4)] {
      var detector = detector(count)
      for endpoint in 0..<count { _ = fail(&detector, endpoint, at: 0) }
      #expect(detector.ejected == most, "of \(count)")
    }
    var all = detector(4, OutlierPolicy(mostEjected: 100))
    for endpoint in 0..<4 { _ = fail(&all, endpoint, at: 0) }
    #expect(all.ejected == 3)
    var none = detector(4, OutlierPolicy(mostEjected: 0))
    #expect(fail(&none, 0, at: 0) == nil)
  }

  @Test("The last that could be asked stays, and what is out comes back when no other is left")
  func lastUsable() {
    var detector = detector(4)
    for endpoint in 0..<2 { #expect(detector.setUsable(endpoint, false, now: 0).isEmpty) }
    #expect(fail(&detector, 2, at: 0) != nil && fail(&detector, 3, at: 0) == nil)
    #expect(detector.setUsable(3, false, now: 100) == [.returned(2)])
    #expect(detector.setUsable(3, false, now: 100).isEmpty)
  }

  @Test("Each time is longer than the one before, up to the longest; behaving makes it shorter again")
  func multiplier() {
    var detector = detector(2, OutlierPolicy(ejectionTime: 1000, longestEjection: 3500))
    var now: UInt64 = 0
    for time in [1000, 2000, 3000, 3500, 3500] as [UInt64] {
      #expect(fail(&detector, 0, at: now) == time)
      now += time
      #expect(detector.tick(now: now).contains(.returned(0)))
    }
    now += 2500
    #expect(fail(&detector, 0, at: now) == 3500)
    now += 3500
    _ = detector.tick(now: now)
    now += 3000
    #expect(fail(&detector, 0, at: now) == 2000)
    now += 2000
    _ = detector.tick(now: now)
    #expect(fail(&detector, 0, at: now + 100_000) == 1000)
  }

  @Test("What comes back gets a tenth of its share at first, and all of it in the end")
  func slowStart() {
    var detector = detector(2, OutlierPolicy(slowStart: 10_000))
    _ = fail(&detector, 0, at: 0)
    _ = detector.tick(now: 30_000)
    let shares = [30_000, 31_000, 32_000, 35_000, 39_999, 40_000].map { detector.share(of: 0, now: $0) }
    #expect(shares == [0.1, 0.1, 0.2, 0.5, 0.9999, 1])
    _ = detector.setUsable(1, false, now: 50_000)
    _ = detector.setUsable(1, true, now: 60_000)
    #expect(detector.share(of: 1, now: 60_000) == 0.1)
  }

  @Test("Without a slow start it has its whole share at once")
  func noSlowStart() {
    var detector = detector(2, OutlierPolicy(slowStart: 0))
    _ = fail(&detector, 0, at: 0)
    _ = detector.tick(now: 30_000)
    #expect(detector.share(of: 0, now: 30_000) == 1)
  }

  // MARK: Shares of failures

  /// What the first comparison makes of so many failures of a hundred calls each.
  private func compared(_ failures: [UInt32], _ policy: OutlierPolicy = OutlierPolicy()) -> [Int] {
    var detector = detector(failures.count, policy)
    for (endpoint, failures) in failures.enumerated() {
      detector.add(endpoint, successes: 100 - failures, failures: failures)
    }
    return detector.tick(now: 10_000).compactMap { if case .ejected(let endpoint, _) = $0 { endpoint } else { nil } }
  }

  @Test("An endpoint of whose calls far more fail than of the others' is out, the worst first")
  func rates() {
    #expect(compared([0, 19]) == [] && compared([0, 20]) == [1])
    #expect(compared([50, 50]) == [] && compared([90, 95, 92]) == [])
    #expect(compared([2, 40, 60, 1, 3]) == [2, 1])
    #expect(compared([2, 40, 60, 1]) == [2, 1] && compared([2, 40, 60]) == [2])
  }

  @Test("Few calls say nothing, and each comparison begins anew")
  func fewCalls() {
    var detector = detector(2)
    detector.add(0, successes: 0, failures: 19)
    detector.add(1, successes: 100, failures: 0)
    #expect(detector.tick(now: 10_000).isEmpty)
    detector.add(0, successes: 0, failures: 10)
    detector.add(1, successes: 100, failures: 0)
    #expect(detector.tick(now: 20_000).isEmpty)
    detector.add(0, successes: 0, failures: 100)
    #expect(detector.tick(now: 30_000).isEmpty)
  }

  @Test("Counts beyond all bounds do no harm")
  func hugeCounts() {
    var detector = detector(2)
    for _ in 0..<20 {
      detector.add(0, successes: .max, failures: .max)
      detector.add(1, successes: .max, failures: 0)
    }
    #expect(detector.tick(now: 10_000) == [.ejected(0, milliseconds: 30_000)])
  }

  // MARK: Other endpoints

  @Test("Endpoints that stay keep what is known of them, and new ones begin slowly")
  func change() {
    var detector = detector(3)
    _ = fail(&detector, 2, at: 0)
    #expect(detector.change(to: [2, nil, 0], now: 1000).isEmpty)
    #expect(detector.isEjected(0) && detector.share(of: 1, now: 1000) == 0.1 && detector.share(of: 2, now: 1000) == 1)
    #expect(detector.change(to: [0], now: 2000) == [.returned(0)])
  }

  // MARK: Any order of things

  private struct Simulation {
    var random: SplitMix
    var detector: OutlierDetector
    let policy: OutlierPolicy
    var usable: [Bool]
    var now: UInt64 = 0
    var out: [Int: UInt64] = [:]
    var faults: [String] = []

    init(_ seed: UInt64) {
      random = SplitMix(state: seed)
      policy = OutlierPolicy(
        mostEjected: Int(random.next() % 101), ejectionTime: 1000, longestEjection: 5000, slowStart: 2000,
        interval: 700, minimumCalls: 5)
      usable = Array(repeating: true, count: 1 + Int(random.next() % 8))
      detector = OutlierDetector(policy, endpoints: usable.count, now: 0)
    }

    mutating func step() {
      now += random.next() % 200
      let endpoint = Int(random.next() % UInt64(usable.count))
      switch random.next() % 10 {
      case 0:
        usable[endpoint].toggle()
        note(detector.setUsable(endpoint, usable[endpoint], now: now))
      case 1: note(detector.tick(now: now))
      case 2: note(detector.opened(endpoint, now: now).map { [$0] } ?? [])
      case 3: detector.add(endpoint, successes: UInt32(random.next() % 20), failures: UInt32(random.next() % 20))
      case 4 where random.next() % 10 == 0: change()
      default:
        let outcome = endpoint % 2 == 0 ? CallOutcome.success : .failure(.transport)
        note(detector.ended(endpoint, outcome, now: now).map { [$0] } ?? [])
      }
      look()
    }

    mutating func change() {
      let count = 1 + Int(random.next() % 8)
      let former = (0..<count).map { $0 < usable.count && random.next() % 4 > 0 ? $0 : nil }
      let (wereUsable, wereOut) = (usable, out)
      usable = former.map { $0.map { wereUsable[$0] } ?? true }
      out = [:]
      for (endpoint, former) in former.enumerated() { out[endpoint] = former.flatMap { wereOut[$0] } }
      note(detector.change(to: former, now: now))
    }

    mutating func note(_ changes: [OutlierDetector.Change]) {
      for change in changes {
        switch change {
        case .ejected(let endpoint, let time):
          if out.updateValue(now + time, forKey: endpoint) != nil { faults.append("\(endpoint) ejected twice") }
          if time < 1000 || time > 5000 { faults.append("out for \(time)") }
        case .returned(let endpoint):
          if out.removeValue(forKey: endpoint) == nil { faults.append("\(endpoint) was not out") }
        }
      }
    }

    mutating func look() {
      let ejected = usable.indices.filter { detector.isEjected($0) }
      if Set(ejected) != Set(out.keys) { faults.append("\(ejected) are out, told of were \(out.keys)") }
      if ejected.count * 100 > usable.count * policy.mostEjected {
        faults.append("\(ejected.count) of \(usable.count)")
      }
      if usable.contains(true), !usable.indices.contains(where: { usable[$0] && !ejected.contains($0) }) {
        faults.append("nobody is left to ask")
      }
      for endpoint in usable.indices {
        let share = detector.share(of: endpoint, now: now)
        if ejected.contains(endpoint) ? share != 0 : !(0.1...1).contains(share) { faults.append("share \(share)") }
      }
    }

    /// However long it was, each comes back.
    mutating func end() {
      now += 5000
      note(detector.tick(now: now))
      if detector.ejected > 0, out.values.contains(where: { $0 <= now }) { faults.append("still out") }
    }
  }

  @Test("Whatever happens no more are out than may be, never the last, and each comes back")
  func simulation() {
    for seed in 0..<2000 as Range<UInt64> {
      var simulation = Simulation(seed)
      for _ in 0..<60 { simulation.step() }
      simulation.end()
      #expect(simulation.faults.isEmpty, "seed \(seed)")
      if !simulation.faults.isEmpty { return }
    }
  }
}
