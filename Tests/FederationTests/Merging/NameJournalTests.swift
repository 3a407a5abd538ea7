import Catalogue
import Foundation
import Logging
import MCP
import Synchronization
import Testing
import Wire

@testable import Federation
@testable import LogOfTest

/// What is kept of servers' names from one start to the next.
@Suite final class NameJournalTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
  private let said = LogOfTest()

  deinit { try? FileManager.default.removeItem(at: folder) }

  private var directory: String { folder.path + "/deep/state" }
  private var path: String { directory + "/names-1" }

  private func journal(port: Int = 1) -> NameJournal {
    NameJournal(in: directory, port: port, logger: said.logger)
  }

  private func names(_ tools: [String]) -> KnownNames {
    let entries = tools.map { "{\"name\":\"\($0)\",\"inputSchema\":{}}" }.joined(separator: ",")
    let page = Array("{\"tools\":[\(entries)]}".utf8)
    let lists = UpstreamLists(alias: "a", revision: .r20251125, isHTTP: false, pages: [.tools: [page]])
    let identity = Identity(name: "s", version: "1")
    return KnownNames(of: 0, in: CatalogueBuilder.merge([lists], policy: .never, identity: identity))
  }

  private func eventually(_ holds: () -> Bool) async -> Bool {
    for _ in 0..<1000 {
      if holds() { return true }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return false
  }

  private func permissions(_ path: String) throws -> Int {
    try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
  }

  @Test("what is kept is there at the next start, of this port, until it is forgotten")
  func kept() async throws {
    let first = journal()
    #expect(first.names.isEmpty)
    first.keep(names(["x"]), of: "a")
    first.keep(names(["y"]), of: "b")
    first.keep(names(["z"]), of: "a")
    #expect(first.names == ["a": names(["z"]), "b": names(["y"])])
    let wanted = first.names
    #expect(await eventually { self.journal().names == wanted })
    first.keep(KnownNames(), of: "a")
    #expect(first.names == ["b": names(["y"])])
    #expect(await eventually { self.journal().names == ["b": self.names(["y"])] })
    #expect(journal(port: 2).names.isEmpty)
    #expect(try permissions(directory) == 0o700 && permissions(path) == 0o600)
    #expect(said.lines == [])
  }

  @Test("two processes may write, and one that was cut off costs nobody else a line")
  func shared() async throws {
    let (one, two) = (journal(), journal())
    one.keep(names(["x"]), of: "a")
    #expect(await eventually { self.journal().names["a"] != nil })
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Array(names(["half"]).line(of: "a").prefix(40)))
    two.keep(names(["y"]), of: "b")
    let wanted = ["a": names(["x"]), "b": names(["y"])]
    #expect(await eventually { self.journal().names == wanted })
  }

  @Test("a file that has grown is written afresh with what counts")
  func compaction() async throws {
    let journal = journal()
    journal.keep(names(["x"]), of: "a")
    #expect(await eventually { self.journal().names["a"] != nil })
    try grow()
    journal.keep(names(["y"]), of: "b")
    let wanted = ["a": names(["x"]), "b": names(["y"])]
    #expect(await eventually { self.journal().names == wanted })
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count < 1000)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["names-1"])
  }

  /// Makes the file larger than what it holds deserves.
  private func grow() throws {
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: [UInt8](repeating: 0x20, count: 3 << 20) + [0x0A])
    try file.close()
  }

  @Test("who writes it afresh keeps what another process has appended, and what that one forgot stays forgotten")
  func foreignNews() async throws {
    let (old, new) = (journal(), journal())
    old.keep(names(["x"]), of: "a")
    old.keep(names(["g"]), of: "gone")
    #expect(await eventually { self.journal().names.count == 2 })
    new.keep(names(["y"]), of: "b")
    new.keep(names(["z"]), of: "a")
    new.keep(KnownNames(), of: "gone")
    #expect(await eventually { self.journal().names == ["a": self.names(["z"]), "b": self.names(["y"])] })
    try grow()
    old.keep(names(["c"]), of: "c")
    let wanted = ["a": names(["z"]), "b": names(["y"]), "c": names(["c"])]
    #expect(await eventually { self.journal().names == wanted })
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count < 1000)
  }

  @Test("of many that append and write it afresh at once none loses a line")
  func swarm() async throws {
    let journals = (0..<4).map { _ in journal() }
    for round in 0..<10 {
      if round > 0 { try grow() }
      for (index, journal) in journals.enumerated() { journal.keep(names(["t\(round)"]), of: "s\(round)-\(index)") }
      let wanted = (round + 1) * journals.count
      #expect(await eventually { self.journal().names.count == wanted }, "\(round)")
    }
    #expect(said.lines == [])
  }

  @Test("while it is held nothing is written, and what was new then is written when it is released")
  func held() async throws {
    let (old, new) = (journal(), journal())
    new.hold()
    new.keep(names(["y"]), of: "a")
    old.keep(names(["x"]), of: "a")
    #expect(await eventually { self.journal().names == ["a": self.names(["x"])] })
    old.hold()
    old.keep(names(["z"]), of: "a")
    new.release()
    #expect(await eventually { self.journal().names == ["a": self.names(["y"])] })
  }

  @Test("a file that another process has locked for good is not waited for for ever")
  func locked() async throws {
    let journal = journal()
    journal.keep(names(["x"]), of: "a")
    #expect(await eventually { self.journal().names["a"] != nil })
    let holder = unsafe open(path, O_RDONLY | O_CLOEXEC)
    #expect(flock(holder, LOCK_EX | LOCK_NB) == 0)
    journal.keep(names(["y"]), of: "b")
    #expect(
      await eventually { self.said.lines.contains { $0.contains("another process has locked it") } })
    // A child that another test has just begun has the descriptor too: closing it here would not end the lock.
    #expect(flock(holder, LOCK_UN) == 0)
    close(holder)
    journal.keep(names(["z"]), of: "c")
    #expect(await eventually { self.journal().names.count == 3 })
  }

  @Test("a file or directory that others may write to is not believed, and that is said once")
  func untrusted() async throws {
    let journal = journal()
    journal.keep(names(["x"]), of: "a")
    #expect(await eventually { self.journal().names["a"] != nil })
    try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
    let second = self.journal()
    #expect(second.names.isEmpty)
    second.keep(names(["y"]), of: "a")
    second.keep(names(["z"]), of: "a")
    #expect(said.lines.count { $0.contains("may write to it") } == 1)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: directory)
    journal.keep(names(["y"]), of: "a")
    #expect(await eventually { self.said.lines.count == 2 })
    #expect(self.journal().names == ["a": names(["x"])])
  }

  @Test("what could not be written is told once, and written with the next change that can be")
  func hindered() async throws {
    let journal = journal()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data().write(to: folder.appendingPathComponent("deep"))
    // Nothing can be made within a file, whoever tries.
    journal.keep(names(["x"]), of: "a")
    #expect(await eventually { self.said.lines.count > 0 })
    journal.keep(names(["y"]), of: "b")
    journal.keep(names(["z"]), of: "b")
    try FileManager.default.removeItem(at: folder.appendingPathComponent("deep"))
    journal.keep(names(["c"]), of: "c")
    let wanted = ["a": names(["x"]), "b": names(["z"]), "c": names(["c"])]
    #expect(await eventually { self.journal().names == wanted })
    #expect(said.lines.count { $0.contains("can't be kept for the next start") } == 1)
  }

  @Test("a link, a directory or a pipe in its place is left alone")
  func strange() async throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(journal().names.isEmpty)
    try FileManager.default.removeItem(atPath: path)
    let target = folder.path + "/target"
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    let linked = journal()
    #expect(linked.names.isEmpty)
    linked.keep(names(["x"]), of: "a")
    try FileManager.default.removeItem(atPath: path)
    #expect(unsafe mkfifo(path, 0o600) == 0)
    #expect(journal().names.isEmpty)
    #expect(said.lines.count == 3)
    #expect(!FileManager.default.fileExists(atPath: target))
  }
}
