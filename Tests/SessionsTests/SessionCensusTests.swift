import MCP
import Reactor
import Testing

@testable import Sessions
@testable import Workers

/// How many sessions a client may have, and who makes room when there are as many as there may be.
@Suite("The census of sessions")
struct SessionCensusTests {
  private var census = SessionCensus()
  private var uses: [SessionID: SessionCensus.Use] = [:]
  private var parties: [SessionID: Party] = [:]
  private static let grace = SessionCensus.grace

  private func party(_ number: UInt64) -> Party { .address(ClientAddress(high: number, low: 0)) }

  /// Opens a session; nil if there is no room. What makes room for it is ended.
  @discardableResult
  private mutating func open(
    _ number: UInt64, at now: UInt64, all: Int = 6, each: Int = 4, isTransient: Bool = true
  ) -> SessionID? {
    let id = SessionID(worker: 0)
    uses[id] = .unused(since: now)
    parties[id] = party(number)
    let bounds = SessionCensus.Bounds(all: all, each: each)
    let known = uses
    switch census.admit(
      id, of: party(number), isTransient: isTransient, within: bounds, now: now, { known[$0] ?? .gone })
    {
    case .admitted: return id
    case .inPlaceOf(let other):
      end(other)
      return id
    case .full:
      uses[id] = nil
      return nil
    }
  }

  private mutating func end(_ id: SessionID) {
    uses[id] = nil
    if let party = parties[id] { census.leave(party) }
  }

  @Test("one client has its share, and others go on")
  mutating func share() {
    for _ in 0..<4 { #expect(open(1, at: 1000) != nil) }
    #expect(open(1, at: 1000) == nil)
    #expect(open(2, at: 1000) != nil)
    #expect(census.count == 5 && census.count(of: party(1)) == 4)
  }

  @Test("what was opened and never used makes room for a newcomer, the oldest first, and not at once")
  mutating func eviction() {
    let first = open(1, at: 1000)!
    let second = open(1, at: 1001)!
    let third = open(2, at: 1002)!
    for _ in 0..<3 { open(3, at: 2000) }
    uses[first] = .used
    #expect(open(4, at: 1001 + Self.grace - 1) == nil, "its client may be about to use it")
    #expect(open(4, at: 1001 + Self.grace) != nil)
    #expect(uses[first] == .used && uses[second] == nil && uses[third] != nil)
    #expect(open(5, at: 1002 + Self.grace) != nil)
    #expect(uses[third] == nil)
    #expect(census.count == 6)
  }

  @Test("within its share a client's own unused sessions make room")
  mutating func ownEviction() {
    let other = open(2, at: 500)!
    let own = (0..<4).map { open(1, at: 1000 + UInt64($0))! }
    uses[own[0]] = .used
    #expect(open(1, at: 1001 + Self.grace) != nil)
    #expect(uses[own[1]] == nil && uses[other] != nil)
    for id in uses.keys { uses[id] = .used }
    #expect(open(1, at: 1_000_000) == nil)
  }

  @Test("a session that its client's connection carries is not ended for another")
  mutating func transports() {
    for place in 0..<6 { open(10 + UInt64(place) % 3, at: 0, isTransient: false) }
    #expect(open(1, at: 1_000_000) == nil)
  }

  @Test("what has gone is forgotten, however many come and go behind one that stays")
  mutating func turnover() {
    open(1, at: 0, all: 10)
    for turn in 0..<10_000 {
      let id = open(1, at: UInt64(turn), all: 10)!
      if turn % 2 == 0 { uses[id] = .used }
      end(id)
    }
    #expect(census.count == 1)
    #expect(census.waiting <= 2 * (2 * 2 + 17))
  }
}
