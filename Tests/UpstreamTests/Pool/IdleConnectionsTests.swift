import Testing

@testable import Upstream

@Suite("Idle connections")
struct IdleConnectionsTests {
  private let lease = Lease(expiresAt: .max)

  private func idle(_ connections: [(Int, since: UInt64)]) -> IdleConnections<Int> {
    var idle = IdleConnections<Int>()
    for (connection, since) in connections { idle.append(connection, lease, now: since) }
    return idle
  }

  @Test func theOneThatWasUsedLastIsTakenFirstOrLast() {
    var last = idle([(1, 0), (2, 10), (3, 10)])
    #expect((0..<4).map { _ in last.take(.lifo, now: 20)?.connection } == [3, 2, 1, nil])
    var first = idle([(1, 0), (2, 10), (3, 10)])
    #expect((0..<4).map { _ in first.take(.fifo, now: 20)?.connection } == [1, 2, 3, nil])
  }

  @Test(arguments: [PoolBounds.Strategy.fifo, .lifo])
  func oneAboutAsOldAsTheOneThatTheUpstreamEndedIsNotUsed(_ strategy: PoolBounds.Strategy) {
    var idle = idle([(1, 0)])
    idle.ended(1, now: 5000)
    idle.append(2, lease, now: 6000)
    #expect(idle.take(strategy, now: 10_000)?.connection == 2)
    idle.append(2, lease, now: 10_000)
    #expect(idle.take(strategy, now: 14_900) == nil)
    #expect(idle.takeExpired(after: 60_000, keeping: 5, now: 14_900).map(\.connection) == [2])
    #expect(idle.count == 0)
  }

  @Test func oneThatIsYoungEnoughIsFoundBehindThoseThatAreNot() {
    var idle = idle([(1, 0)])
    idle.ended(1, now: 5000)
    for (connection, since) in [(2, 6000), (3, 6500), (4, 9000), (5, 9500)] as [(Int, UInt64)] {
      idle.append(connection, lease, now: since)
    }
    #expect(idle.take(.fifo, now: 11_000)?.connection == 4)
    #expect(idle.take(.fifo, now: 11_000)?.connection == 5)
    #expect(idle.take(.fifo, now: 11_000) == nil)
    #expect(idle.takeLongestIdle()?.connection == 2)
  }

  @Test func theShortestTimeCountsAndAnEighthOfItIsLeft() {
    var idle = idle([(1, 0), (2, 0)])
    idle.ended(1, now: 5000)
    idle.ended(2, now: 26_000)
    idle.append(3, lease, now: 0)
    #expect(idle.take(.lifo, now: 4500) == nil)
    var brief = self.idle([(1, 0)])
    brief.ended(1, now: 1000)
    brief.append(2, lease, now: 0)
    #expect(brief.take(.lifo, now: 875) == nil)
    #expect(brief.take(.lifo, now: 874)?.connection == 2)
  }

  @Test func anEndThatComesAtOnceAsWithARestartTeachesNothing() {
    var idle = idle([(1, 0)])
    idle.ended(1, now: 20)
    idle.append(2, lease, now: 100)
    #expect(idle.take(.lifo, now: 30_000)?.connection == 2)
  }

  @Test func theEndOfOneThatIsNotIdleTeachesNothing() {
    var idle = idle([(1, 0)])
    idle.ended(4711, now: 2000)
    #expect(idle.count == 1)
    #expect(idle.take(.lifo, now: 60_000)?.connection == 1)
  }

  @Test func theOneThatEndedIsTakenOutWhereverItIs() {
    var idle = idle([(1, 1), (2, 2), (3, 3)])
    idle.ended(2, now: 500)
    #expect((0..<3).map { _ in idle.take(.lifo, now: 600)?.connection } == [3, 1, nil])
  }

  @Test func whatNobodyUsedForLongIsClosedButForThoseThatAreHeldReady() {
    var some = idle([(1, 0), (2, 500), (3, 1000)])
    #expect(some.takeExpired(after: 1000, keeping: 0, now: 1500).map(\.connection) == [1, 2])
    var ready = idle([(1, 0), (2, 500), (3, 1000)])
    #expect(ready.takeExpired(after: 1000, keeping: 2, now: 9000).map(\.connection) == [1])
  }

  @Test func oneThatIsTooOldIsNotUsedAndCloses() {
    var idle = IdleConnections<Int>()
    idle.append(1, Lease(expiresAt: 1000), now: 0)
    idle.append(2, Lease(expiresAt: 2000), now: 0)
    #expect(idle.take(.fifo, now: 1000)?.connection == 2)
    #expect(idle.takeExpired(after: .max, keeping: 9, now: 1000).map(\.connection) == [1])
  }

  @Test(arguments: [PoolBounds.Strategy.fifo, .lifo])
  func surplusIsWhatWasNotNeededForAWhile(_ strategy: PoolBounds.Strategy) {
    var idle = idle([(1, 1000), (2, 1000), (3, 1000)])
    #expect(idle.takeSurplus(now: 1000) == 0, "nothing is known yet")
    _ = idle.take(strategy, now: 1010)
    _ = idle.take(strategy, now: 1020)
    idle.append(1, lease, now: 1030)
    idle.append(2, lease, now: 1030)
    #expect(idle.takeSurplus(now: 1050) == 0, "it is not over")
    #expect(idle.takeSurplus(now: 1100) == 1)
    #expect(idle.takeSurplus(now: 1200) == 3)
  }
}
