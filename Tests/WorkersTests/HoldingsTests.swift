import MCP
import Reactor
import Testing

@testable import Workers

@Suite("What is kept for parties")
struct HoldingsTests {
  private let holdings = Holdings()
  private let bounds = Holdings.Bounds(each: 100, all: 250)
  private let parties = (1...3).map { Party.principal(Principal(subject: "CN=\($0)")) }

  @Test("is bounded for each, and no client uses up what is there for another")
  func each() {
    #expect(holdings.take(100, for: parties[0], within: bounds) == .taken)
    #expect(holdings.take(1, for: parties[0], within: bounds) == .tooMuch)
    #expect(holdings.take(100, for: parties[1], within: bounds) == .taken)
    #expect(holdings.total == 200, "what was refused does not count")
  }

  @Test("is bounded for all together, and there is room again for what is given back")
  func all() {
    for party in parties[..<2] { #expect(holdings.take(100, for: party, within: bounds) == .taken) }
    #expect(holdings.take(51, for: parties[2], within: bounds) == .full)
    #expect(holdings.take(50, for: parties[2], within: bounds) == .taken)
    holdings.give(30, of: parties[0])
    #expect(holdings.take(31, for: parties[2], within: bounds) == .full)
    #expect(holdings.take(30, for: parties[2], within: bounds) == .taken && holdings.total == 250)
  }

  @Test("ends with it: nobody gives back more than was taken, nor what another took")
  func giving() {
    _ = holdings.take(40, for: parties[0], within: bounds)
    holdings.give(10, of: parties[1])
    #expect(holdings.total == 40)
    holdings.give(1000, of: parties[0])
    #expect(holdings.total == 0)
    holdings.give(10, of: parties[0])
    #expect(holdings.total == 0)
    #expect(holdings.take(100, for: parties[0], within: bounds) == .taken)
  }

  @Test("goes by who it is: a principal, an address, a server are parties of their own")
  func identities() {
    let others: [Party] = [
      .principal(.anonymous), .address(ClientAddress(high: 0, low: 1)), .address(ClientAddress(high: 0, low: 2)),
      .upstream(0), .upstream(1),
    ]
    let wide = Holdings.Bounds(each: 100, all: 1000)
    for party in others { #expect(holdings.take(100, for: party, within: wide) == .taken) }
    #expect(holdings.total == 500)
    #expect(others.map(\.principal) == others.map { _ in .anonymous } && parties[0].principal.subject == "CN=1")
  }
}

/// The same on account of a loop that nobody runs.
@Suite("The memory that a worker keeps for parties")
struct PartyMemoryTests {
  private let group = WorkerGroup(workerCount: 1)
  private let loop: EventLoop
  private let memory: PartyMemory
  private let party = Party.upstream(3)

  init() throws {
    var options = EventLoop.Options()
    options.memory = 1000
    loop = try EventLoop(options)
    group.register(loop.handle)
    memory = PartyMemory(loop: loop, group: group, bounds: Holdings.Bounds(each: 600, all: 1000))
  }

  @Test("counts for the party and for the loop until it is given back")
  func counted() {
    #expect(memory.take(500, for: party, on: 0) == nil)
    #expect(group.holdings.total == 500 && loop.counts.held == 500)
    memory.giveBack(500, of: party, on: 0)
    memory.giveBack(0, of: party, on: 0)
    #expect(group.holdings.total == 0 && loop.counts.held == 0)
  }

  @Test("is refused beyond the bounds, saying whose they are and that it may be tried again")
  func refused() throws {
    _ = memory.take(500, for: party, on: 0)
    let own = try #require(memory.take(101, for: party, on: 0))
    #expect(own.kind == .overloaded && own.message?.contains("this client") == true)
    memory.bounds = Holdings.Bounds(each: 600, all: 550)
    let all = try #require(memory.take(51, for: .upstream(4), on: 0))
    #expect(all.kind == .overloaded && all.message?.contains("all clients") == true)
    #expect(own.retryAfterMilliseconds != nil && all.retryAfterMilliseconds != nil)
    #expect(loop.counts.held == 500)
  }

  @Test("has room made once for something new, by giving up what can be done without")
  func madeRoom() {
    _ = memory.take(600, for: party, on: 0)
    var asked = 0
    memory.makeRoom = { [unowned memory, party] in
      asked += 1
      memory.giveBack(100, of: party, on: 0)
    }
    #expect(memory.take(100, for: party, on: 0) == nil && asked == 1)
    #expect(memory.take(101, for: party, on: 0) != nil && asked == 2, "once, and not until it fits")
    #expect(memory.takeMore(101, for: party, on: 0) != nil && asked == 2, "not for what is under way")
  }

  @Test("begins nothing new while the loop is short of memory, though what is under way goes on")
  func shedding() {
    memory.bounds = Holdings.Bounds(each: 5000, all: 5000)
    #expect(memory.take(1001, for: party, on: 0) == nil && loop.isShedding)
    #expect(memory.take(1, for: .upstream(4), on: 0) == .shortOfMemory)
    #expect(memory.takeMore(1, for: .upstream(4), on: 0) == nil)
    memory.giveBack(1001, of: party, on: 0)
    #expect(memory.take(1, for: .upstream(4), on: 0) == nil)
  }
}
