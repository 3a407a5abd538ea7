import Catalogue
import Configuration
import MCP
import Reactor
import SessionStore
import Testing

@testable import Lifecycle
@testable import LogOfTest
@testable import Sessions
@testable import Workers

/// The watch of a process that may have more or less than it uses, on loops that nobody runs.
@Suite("The watch over the memory") final class MemoryWatchTests: LetterReader {
  private let group = WorkerGroup(workerCount: 2)
  private let log = LogOfTest()
  private let workers: [WorkerContext]
  private let control: WorkerContext
  private let mail: Mailboxes<MemoryGuard.Excess>
  private let sessions = SessionTable(SessionCensus.Bounds(all: 1000, each: 1000), workers: 2)
  private let watch: MemoryWatch
  private var asked: [MemoryGuard.Excess] = []

  init() throws {
    let (group, log) = (group, log)
    var options = EventLoop.Options()
    options.manualClock = true
    let loops = try (0...2).map { index in
      try WorkerContext(
        index: index, group: group, settings: Self.settings(machine: 0), options: options, logger: log.logger)
    }
    for context in loops { group.register(context.loop.handle) }
    workers = Array(loops[..<2])
    control = loops[2]
    mail = Mailboxes(group)
    watch = MemoryWatch(control, sessions, mail)
    for index in 0..<2 { mail.open(index, for: self) }
  }

  deinit { for index in 0..<2 { mail.close(index) } }

  func open(_ excess: MemoryGuard.Excess) { asked.append(excess) }

  /// - Parameter machine: bytes that it has; 0: nobody knows.
  private static func settings(machine: UInt64) -> Settings {
    let unlimited = System.MemorySizes(space: .max, resident: .max, data: .max)
    let allowance = Allowance(ControlGroups { _ in nil }, machine: machine, rlimits: unlimited, processors: 1)
    return Settings(GatewayConfiguration(), loops: 3, allowance: allowance)
  }

  /// Looks as if the machine had so much, and lets workers read their letters.
  private func look(machine: UInt64) {
    control.adopt(Self.settings(machine: machine))
    watch.look()
    for worker in workers { while worker.loop.step() {} }
  }

  private func told(_ level: String) -> [String] { log.lines.filter { $0.hasPrefix("\(level): ") } }

  @Test("asks nobody for anything where no bound is known, or far more is there than is used")
  func enough() {
    look(machine: 0)
    look(machine: 1 << 60)
    #expect(asked.isEmpty && log.lines.isEmpty && !workers.contains { $0.loop.isShedding })
  }

  @Test("has new work refused where more is used than there may be, and each worker asked; that is said once")
  func shortage() throws {
    for _ in 0..<3 { look(machine: 1 << 20) }
    #expect(workers.allSatisfy { $0.loop.isShedding } && !control.loop.isShedding, "operators are served")
    #expect(told("error").count == 1 && told("notice").isEmpty)
    #expect(asked.count == 6)
    let excess = try #require(asked.first)
    #expect(excess.used > 1 << 20 && excess.bytes < excess.used && excess.used - excess.bytes <= 1 << 20)
  }

  @Test("has all streams that nobody reads forget, a few in a turn, and once more when that is over")
  func replays() throws {
    func open() -> Session {
      let session = Session(
        id: SessionID(worker: 0), party: .address(ClientAddress(high: 1, low: 0)), view: .all,
        handshake: Session.Handshake(.r20250618), replay: 10_000, resumeWindow: 100, now: 0)
      session.withState { state in
        _ = state.log.append(EventLog.encode(("event" as StaticString).bytes), to: state.log.open(.standalone, nil))
      }
      _ = sessions.insert(session, now: 0)
      return session
    }
    func kept() -> Int { sessions.all.count { $0.withState { $0.log.unreadBytes } > 0 } }
    for _ in 0..<300 { _ = open() }
    var seen: [Int] = []
    var turns: UInt64 = 0
    for _ in 0..<2 {
      look(machine: 1 << 20)
      repeat {
        seen.append(kept())
        // Nobody else has timers on this loop, whose turns nobody takes.
        turns += 1
        control.timers.fired(16 + turns)
      } while kept() > 0 && seen.count < 20
      _ = open()
    }
    #expect(seen == [300, 300, 44, 1, 1])
  }

  @Test("has work taken again once there is memory, and says so once")
  func relief() {
    look(machine: 1 << 20)
    let before = asked.count
    for _ in 0..<3 { look(machine: 1 << 60) }
    #expect(!workers.contains { $0.loop.isShedding })
    #expect(told("notice").count == 1 && asked.count == before)
  }
}
