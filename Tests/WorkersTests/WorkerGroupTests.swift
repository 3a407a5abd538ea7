import Configuration
import Reactor
import Synchronization
import Testing

@testable import Workers

/// Loops that are stepped by hand.
@Suite("The loops of a gateway")
struct WorkerGroupTests {
  private let group = WorkerGroup(workerCount: 2)
  private let loops: [EventLoop]

  init() throws {
    loops = try (0...2).map { _ in try EventLoop(EventLoop.Options()) }
    for loop in loops { group.register(loop.handle) }
  }

  private final class Done: Sendable {
    private let marks = Mutex<[Int]>([])
    func mark(_ number: Int) { marks.withLock { $0.append(number) } }
    var all: [Int] { marks.withLock { $0 } }
  }

  private func settle() { for _ in 0..<8 { for loop in loops { _ = loop.step() } } }

  @Test("a job runs on its loop, in order, and not before that loop's turn")
  func jobs() {
    let done = Done()
    for number in 0..<3 { group.run(on: 1) { done.mark(number) } }
    _ = loops[0].step()
    #expect(done.all == [])
    _ = loops[1].step()
    #expect(done.all == [0, 1, 2])
  }

  @Test("what a worker has not done when it ends is done by nobody")
  func ended() {
    let done = Done()
    group.run(on: 0) { done.mark(0) }
    group.run(on: 1) { done.mark(1) }
    group.leave(0)
    settle()
    #expect(done.all == [1])
  }

  @Test("a pass is over once each of its loops has gone on, once, and at once where there are none")
  func passes() {
    let done = Done()
    group.pass([]) { done.mark(0) }
    #expect(done.all == [0])
    group.pass([0, 1]) { done.mark(1) }
    for _ in 0..<8 { _ = loops[0].step() }
    #expect(done.all == [0])
    settle()
    #expect(done.all == [0, 1])
  }

  @Test("workers refuse new work where memory is short, and the loop of operators goes on")
  func shedding() {
    group.shed(true)
    #expect(loops.map(\.isShedding) == [true, true, false])
    group.shed(false)
    #expect(!loops.contains { $0.isShedding })
  }

  @Test("what each loop counts is added up, one thing apart from another")
  func tallies() {
    for (index, tallies) in group.tallies.enumerated() { tallies.count(.sentWebSocket, 10 << index) }
    group.tallies[1].count(.sentEventStream)
    #expect(group.total(of: .sentWebSocket) == 70 && group.total(of: .sentEventStream) == 1)
    #expect(group.total(of: .sentStreamableHTTP) == 0 && group.tallies[0][.sentWebSocket] == 10)
    #expect(group.loopCount == 3 && group.losses.count == 3)
  }

  @Test("each tally has a word of its own, and those of one metric differ by their label")
  func metrics() {
    for tally in Tally.allCases {
      let tallies = Tallies()
      tallies.count(tally, 3)
      #expect(Tally.allCases.filter { tallies[$0] != 0 } == [tally])
    }
    let labels = Tally.allCases.map { [$0.metric, $0.label.name, $0.label.value] }
    #expect(Set(labels).count == labels.count)
  }

  private final class Reader: LetterReader {
    var bodies: [Int] = []
    func open(_ settings: Settings) { bodies.append(settings.configuration.limits.body) }
  }

  @Test("other settings hold at once for who asks, and reach every loop in the order in which they were read")
  func settings() {
    func settings(_ body: Int) -> Settings {
      var configuration = GatewayConfiguration()
      configuration.limits.body = body
      return Settings(configuration)
    }
    let current = CurrentSettings(group, settings(1))
    let readers = loops.map { _ in Reader() }
    for (index, reader) in readers.enumerated() { current.mail.open(index, for: reader) }
    for body in [2, 3] { current.adopt(settings(body)) }
    #expect(current.value.configuration.limits.body == 3 && readers.allSatisfy { $0.bodies.isEmpty })
    settle()
    #expect(readers.map(\.bodies) == [[2, 3], [2, 3], [2, 3]])
    for index in readers.indices { current.mail.close(index) }
  }
}
