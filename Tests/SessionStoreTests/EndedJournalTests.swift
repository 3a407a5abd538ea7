import Foundation
import Logging
import MCP
import Reactor
import Synchronization
import Testing
import Wire

@testable import LogOfTest
@testable import SessionStore

@Suite("Sessions that their clients have ended, in state_dir")
final class EndedJournalTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
  private let keys = SessionKeys.ofThisProcess()
  private let log = LogOfTest()
  private var path: String { folder.path }
  private var file: String { "\(path)/sessions-1.ended" }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func ticket(_ low: UInt64, minute: UInt32 = 100) -> SessionTicket {
    SessionTicket(
      SessionID(high: 4, low: low, worker: 0), minute: minute, .r20251125, [], path: keys.signing.path(""),
      principal: keys.signing.principal(""))
  }

  private func journal(oldest: UInt32 = 0) -> EndedJournal {
    EndedJournal(in: path, port: 1, oldest: oldest, logger: log.logger)
  }

  /// Other tests may keep every thread that could do it.
  private func comes(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<6000 {
      if condition() { return true }
      try await Task.sleep(for: .milliseconds(10))
    }
    return false
  }

  /// Until `clear`, nothing can be written.
  private func obstruct() throws { try Data().write(to: folder) }
  private func clear() throws { try FileManager.default.removeItem(at: folder) }

  @Test("are known to the next process, and to another one that runs, until they are too old")
  func processes() throws {
    let (one, two) = (journal(), journal())
    one.end(ticket(1), oldest: 0)
    one.end(ticket(2, minute: 200), oldest: 0)
    one.flush(within: 600_000)
    #expect(one.contains(ticket(1)) && !two.contains(ticket(1)))
    two.readOn()
    #expect(two.contains(ticket(1)))
    let three = journal(oldest: 150)
    #expect(!three.contains(ticket(1)) && three.contains(ticket(2, minute: 200)))
    #expect(!three.contains(ticket(3)))
    #expect(log.lines.isEmpty)
  }

  @Test("are told to another process unless it can read all of them in the file")
  func untold() throws {
    let kept = journal()
    kept.end(ticket(1), oldest: 0)
    kept.flush(within: 600_000)
    #expect(kept.untold == [])
    let alone = EndedJournal(in: nil, port: 1, oldest: 0, logger: log.logger)
    alone.end(ticket(1, minute: 200), oldest: 0)
    #expect(alone.untold.map(\.id.low) == [1] && alone.untold.map(\.minute) == [200])
    let other = EndedJournal(in: nil, port: 1, oldest: 0, logger: log.logger)
    for ending in alone.untold { other.learn(ending.id, opened: ending.minute, share: ending.share) }
    #expect(other.contains(ticket(1, minute: 200)))
  }

  @Test("are in the file once that is said")
  func order() async throws {
    let one = journal()
    await withCheckedContinuation { said in one.end(ticket(1), oldest: 0) { said.resume() } }
    #expect(journal().contains(ticket(1)))
  }

  @Test("are written by and by where they could not be, without another one")
  func retry() async throws {
    try obstruct()
    let one = journal()
    await withCheckedContinuation { said in one.end(ticket(1), oldest: 0) { said.resume() } }
    #expect(try await comes { log.lines.contains { $0.contains("it is tried again") } })
    // Nobody waits for a disk that is full, not even until the next try.
    let isSaid = Mutex(false)
    one.end(ticket(2), oldest: 0) { isSaid.withLock { $0 = true } }
    #expect(isSaid.withLock { $0 })
    try clear()
    #expect(try await comes { log.lines.contains { $0.contains("kept again") } })
    let two = journal()
    #expect(two.contains(ticket(1)) && two.contains(ticket(2)))
    #expect(log.lines.filter { $0.contains("can't be kept") }.count == 1)
  }

  @Test("are tried a last time at the end, however long it would have waited")
  func end() async throws {
    try obstruct()
    let one = journal()
    await withCheckedContinuation { said in one.end(ticket(1), oldest: 0) { said.resume() } }
    one.flush(within: 1000)
    #expect(log.lines.contains { $0.contains("not all sessions that their clients have ended could be noted") })
    try clear()
    one.flush(within: 600_000)
    one.end(ticket(2), oldest: 0)
    one.flush(within: 600_000)
    #expect(try await comes { journal().contains(ticket(1)) && journal().contains(ticket(2)) })
  }

  @Test("that are many and can't be written take no memory twice, and none of them is lost")
  func many() async throws {
    try obstruct()
    let one = journal()
    for number in UInt64(0)..<30_000 { one.end(ticket(number), oldest: 0) }
    #expect(try await comes { log.lines.contains { $0.contains("it is tried again") } })
    try clear()
    #expect(try await comes { journal().contains(ticket(0)) && journal().contains(ticket(29_999)) })
    let two = journal()
    #expect((UInt64(0)..<30_000).allSatisfy { two.contains(ticket($0)) })
  }

  private func lines(_ numbers: ClosedRange<UInt64>, minute: UInt32 = 100) -> Data {
    Data(numbers.flatMap { EndedSessions.line(of: ticket($0).id, opened: minute, share: 0) })
  }

  @Test("of which another process is writing the line just now are read once it is whole")
  func half() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let second = lines(2...2)
    try (lines(1...1) + second.prefix(20)).write(to: URL(fileURLWithPath: file))
    let one = journal()
    #expect(one.contains(ticket(1)) && !one.contains(ticket(2)))
    let handle = try #require(FileHandle(forWritingAtPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: second.dropFirst(20) + lines(3...3))
    try handle.close()
    one.readOn()
    #expect(one.contains(ticket(2)) && one.contains(ticket(3)))
  }

  @Test("of a file that is too large are read from its end, with a word, and it is written afresh")
  func tooLarge() async throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try lines(1...1).write(to: URL(fileURLWithPath: file))
    #expect(unsafe truncate(file, 65 << 20) == 0)
    let handle = try #require(FileHandle(forWritingAtPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data([0x0A]) + lines(2...3))
    try handle.close()
    let one = journal()
    #expect(!one.contains(ticket(1)) && one.contains(ticket(2)) && one.contains(ticket(3)))
    #expect(log.lines.count == 1 && log.lines[0].contains("only the end of it is read"))
    await withCheckedContinuation { said in one.end(ticket(4), oldest: 0) { said.resume() } }
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)).count < 1000)
    #expect((UInt64(2)...4).allSatisfy { journal().contains(ticket($0)) })
  }

  @Test(
    "of a file that has grown are written afresh, without those that are too old, and with those of other processes")
  func compaction() async throws {
    let one = journal(oldest: 50)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try (lines(1...40_000, minute: 10) + lines(50_000...50_010)).write(to: URL(fileURLWithPath: file))
    await withCheckedContinuation { said in one.end(ticket(4), oldest: 50) { said.resume() } }
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)).count < 1000)
    let two = journal()
    #expect(two.contains(ticket(4)) && two.contains(ticket(50_000)) && !two.contains(ticket(1)))
    #expect(one.contains(ticket(50_010)))
    // Who has read the former file reads the new one from its start.
    one.end(ticket(5), oldest: 50)
    one.flush(within: 600_000)
    two.readOn()
    #expect(two.contains(ticket(5)))
  }

  @Test("are kept even where the file can't be written afresh")
  func stuck() async throws {
    let one = journal(oldest: 50)
    let draft = "\(file).\(getpid())"
    try FileManager.default.createDirectory(atPath: draft, withIntermediateDirectories: true)
    try lines(1...40_000, minute: 10).write(to: URL(fileURLWithPath: file))
    for number in UInt64(1)...3 {
      await withCheckedContinuation { said in one.end(ticket(number), oldest: 50) { said.resume() } }
    }
    #expect((UInt64(1)...3).allSatisfy { journal(oldest: 50).contains(ticket($0)) })
    #expect(log.lines.count == 1 && log.lines[0].contains("can't be written afresh"))
  }
}
