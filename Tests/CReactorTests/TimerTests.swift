import CReactor
import Testing

@Suite("Timers")
struct TimerTests {
  /// Timers as a list that is searched: obviously right.
  private struct Model {
    var now: UInt64 = 0
    var timers: [(id: UInt64, token: UInt64, deadline: UInt64)] = []

    mutating func advance(_ milliseconds: UInt64) -> [UInt64] {
      now += milliseconds
      let due = timers.filter { $0.deadline <= now }.sorted { $0.deadline < $1.deadline }
      timers.removeAll { $0.deadline <= now }
      return due.map(\.deadline)
    }
  }

  @Test("the wheel fires what a naive model fires, at the same time and in the order of deadlines", arguments: 1...20)
  func model(seed: Int) {
    var random = SeededRandom(state: UInt64(seed))
    let gateway = MemoryGateway()
    var model = Model()
    var deadlines: [UInt64: UInt64] = [:]
    var token: UInt64 = 0
    for _ in 0..<2000 {
      switch random.next(below: 10) {
      case 0..<6:
        // Each magnitude lies on a level of its own.
        let delay = random.next(below: 1 << random.next(below: 40))
        token += 1
        let id = cr_timer_start(gateway.loop, delay, token)
        #expect(id != 0)
        deadlines[token] = model.now + delay
        model.timers.append((id, token, model.now + delay))
      case 6, 7:
        guard !model.timers.isEmpty else { continue }
        let index = Int(random.next(below: UInt64(model.timers.count)))
        cr_timer_stop(gateway.loop, model.timers.remove(at: index).id)
      default:
        let step = random.next(below: 1 << random.next(below: 34))
        gateway.events = []
        gateway.advance(step)
        let fired = gateway.events.map { deadlines[UInt64($0.dropFirst("timer ".count))!]! }
        #expect(fired == model.advance(step))
        #expect(Int(cr_loop_count(gateway.loop).timers) == model.timers.count)
      }
    }
  }

  @Test("a timer without delay fires on the next turn, and stopping it later or twice does nothing")
  func zero() {
    let gateway = MemoryGateway()
    let first = cr_timer_start(gateway.loop, 0, 1)
    #expect(gateway.events == [])
    gateway.settle()
    #expect(gateway.events == ["timer 1"])
    let second = cr_timer_start(gateway.loop, 5, 2)
    cr_timer_stop(gateway.loop, first)
    cr_timer_stop(gateway.loop, 0)
    cr_timer_stop(gateway.loop, 12345)
    gateway.advance(5)
    #expect(gateway.events == ["timer 1", "timer 2"])
    cr_timer_stop(gateway.loop, second)
    #expect(cr_loop_count(gateway.loop).timers == 0)
  }
}

/// SplitMix64: the same numbers in every run.
struct SeededRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func next(below bound: UInt64) -> UInt64 { next() % bound }
}
