import Reactor
import Testing

@testable import Lifecycle

@Suite("Telling that room is made")
struct ReliefWatchTests {
  private var watch = ReliefWatch()

  private mutating func look(_ connections: UInt64, _ bytes: UInt64 = 0, at now: UInt64) -> ReliefWatch.Action {
    var losses = LoopLosses()
    (losses.relieved, losses.relievedBytes) = (connections, bytes)
    return watch.look(losses, now: now)
  }

  @Test("nothing is said as long as nobody is ended")
  mutating func silence() {
    for now: UInt64 in [0, 500, 100_000] { #expect(look(0, at: now) == .none) }
  }

  @Test("its beginning is told at once and its end once it is quiet, with all that was given up in between")
  mutating func once() {
    #expect(look(0, at: 0) == .none)
    #expect(look(2, 1000, at: 500) == .began(.init(connections: 2, bytes: 1000)))
    #expect(look(2, 1000, at: 600) == .none)
    #expect(look(5, 4000, at: 10_499) == .none)
    #expect(look(5, 4000, at: 20_498) == .none)
    #expect(look(5, 4000, at: 20_499) == .ended(.init(connections: 5, bytes: 4000)))
    #expect(look(5, 4000, at: 90_000) == .none)
    #expect(look(6, 4100, at: 91_000) == .began(.init(connections: 1, bytes: 100)))
  }

  @Test("a loop that flaps says no more than one that does not")
  mutating func flapping() {
    var told = 0
    for step: UInt64 in 1...100 where look(step, at: step * 9999) != .none { told += 1 }
    #expect(told == 1)
    #expect(look(100, at: 2_000_000) == .ended(.init(connections: 100, bytes: 0)))
  }
}
