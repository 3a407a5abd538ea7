import Reactor
import Testing

@testable import Delivery
@testable import Workers

/// Who is ended when too much waits for clients that do not read.
@Suite("Unread results")
struct UnreadResultsTests {
  private var unread = UnreadResults()
  private var queued: [ConnectionID: Int] = [:]

  private func connection(_ number: UInt64) -> ConnectionID { ConnectionID(rawValue: number) }
  private func party(_ number: UInt64) -> Party { .address(ClientAddress(high: number, low: 0)) }

  private mutating func add(_ number: UInt64, _ bytes: Int, of party: UInt64, limit: Int = 100) -> [ConnectionID] {
    queued[connection(number)] = bytes
    let known = queued
    let ended = unread.add(connection(number), of: self.party(party), atMost: limit) { known[$0] ?? 0 }
    for connection in ended { queued[connection] = nil }
    return ended
  }

  @Test("of the client for whom most waits, who waited longest is ended, and nobody else")
  mutating func order() {
    #expect(add(1, 40, of: 1) == [])
    #expect(add(2, 30, of: 2) == [])
    #expect(add(3, 30, of: 2) == [])
    #expect(add(4, 20, of: 2) == [connection(2)])
    #expect(add(5, 90, of: 2) == [connection(3), connection(4), connection(5)])
    #expect(queued == [connection(1): 40])
  }

  @Test("what was read meanwhile counts no more")
  mutating func readMeanwhile() {
    #expect(add(1, 90, of: 1) == [])
    queued[connection(1)] = 0
    #expect(add(2, 90, of: 1) == [])
    queued[connection(2)] = 5
    #expect(add(3, 95, of: 1) == [])
    #expect(add(3, 96, of: 1) == [connection(2)])
  }

  @Test("one that is alone may take its time, however much it is")
  mutating func alone() {
    #expect(add(1, 1000, of: 1) == [])
    #expect(add(1, 2000, of: 1) == [])
    #expect(add(2, 1, of: 2) == [connection(1)])
  }
}
