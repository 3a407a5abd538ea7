import Reactor
import Testing

@testable import UpstreamRequests

@Suite("The pool of idle upstream connections")
struct ConnectionPoolTests {
  private func connection(_ number: UInt64) -> ConnectionID { ConnectionID(rawValue: number) }

  @Test("gives the one that was used last")
  func lastFirst() {
    var pool = ConnectionPool()
    _ = pool.give(connection(1), now: 0)
    _ = pool.give(connection(2), now: 10)
    let second = pool.take(now: 20)
    #expect(second == connection(2))
    let first = pool.take(now: 20)
    #expect(first == connection(1))
    let nothing = pool.take(now: 20)
    #expect(nothing == nil)
  }

  @Test("keeps no more than its capacity")
  func bounded() {
    var pool = ConnectionPool()
    for number in 0..<UInt64(ConnectionPool.capacity) {
      let taken = pool.give(connection(number), now: 0)
      #expect(taken)
    }
    let taken = pool.give(connection(1000), now: 0)
    #expect(!taken)
  }

  @Test("does not use a connection again that is about as old as the one that the upstream ended")
  func learnsPatience() {
    var pool = ConnectionPool()
    _ = pool.give(connection(1), now: 0)
    pool.ended(connection(1), now: 5000)
    _ = pool.give(connection(2), now: 6000)
    let young = pool.take(now: 10_000)
    #expect(young == connection(2))
    _ = pool.give(connection(2), now: 10_000)
    let old = pool.take(now: 14_900)
    #expect(old == nil)
    let expired = pool.expire(after: 60_000, now: 14_900)
    #expect(expired == [connection(2)])
    #expect(pool.count == 0)
  }

  @Test("knows the shortest time that a connection was let be idle, and is an eighth of it earlier")
  func shortestPatience() {
    var pool = ConnectionPool()
    for (number, idle) in [(1, 5000), (2, 26_000)] as [(UInt64, UInt64)] {
      _ = pool.give(connection(number), now: 0)
      pool.ended(connection(number), now: idle)
    }
    _ = pool.give(connection(3), now: 0)
    let old = pool.take(now: 4500)
    #expect(old == nil)
    var brief = ConnectionPool()
    _ = brief.give(connection(1), now: 0)
    brief.ended(connection(1), now: 1000)
    _ = brief.give(connection(2), now: 0)
    var tried = brief
    let late = tried.take(now: 875)
    let inTime = brief.take(now: 874)
    #expect(late == nil && inTime == connection(2))
  }

  @Test("learns nothing from an end that came at once, as with a restart")
  func restartsTeachNothing() {
    var pool = ConnectionPool()
    _ = pool.give(connection(1), now: 0)
    pool.ended(connection(1), now: 20)
    _ = pool.give(connection(2), now: 100)
    let found = pool.take(now: 30_000)
    #expect(found == connection(2))
  }

  @Test("lets go of what nobody used for long, and keeps the rest")
  func expires() {
    var pool = ConnectionPool()
    _ = pool.give(connection(1), now: 0)
    _ = pool.give(connection(2), now: 500)
    let expired = pool.expire(after: 1000, now: 1000)
    #expect(expired == [connection(1)])
    let kept = pool.take(now: 1000)
    #expect(kept == connection(2))
  }

  @Test("learns nothing from the end of a connection that was in use, and has room again once one is taken")
  func strangers() {
    var pool = ConnectionPool()
    for number in 0..<UInt64(ConnectionPool.capacity) { _ = pool.give(connection(number), now: 0) }
    pool.ended(connection(4711), now: 2000)
    #expect(pool.count == ConnectionPool.capacity)
    let taken = pool.take(now: 60_000)
    #expect(taken == connection(UInt64(ConnectionPool.capacity) - 1), "nothing says that it is too old")
    let isGiven = pool.give(connection(4711), now: 60_000)
    #expect(isGiven && pool.count == ConnectionPool.capacity)
  }

  @Test("takes out the one that was ended, wherever it is, and no other")
  func endedBetween() {
    var pool = ConnectionPool()
    for number: UInt64 in 1...3 { _ = pool.give(connection(number), now: number) }
    pool.ended(connection(2), now: 500)
    let left = (0..<3).map { _ in pool.take(now: 600) }
    #expect(left == [connection(3), connection(1), nil])
  }
}
