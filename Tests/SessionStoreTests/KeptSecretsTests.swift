import Configuration
import Foundation
import Logging
import MCP
import Reactor
import Testing
import Wire

@testable import LogOfTest
@testable import SessionStore

/// What of sessions lies in `state_dir`.
@Suite("What is kept of sessions")
final class KeptSecretsTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
  private let log = LogOfTest()
  private var logger: Logger { log.logger }
  private var path: String { folder.path }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func keys(_ sessions: GatewayConfiguration.Sessions = .init(), port: Int = 1) throws -> SessionKeys {
    try SecretStore.keys(sessions, in: path, port: port, logger)
  }

  private func ticket(_ keys: SessionKeys, low: UInt64 = 5, minute: UInt32 = 100) -> SessionTicket {
    SessionTicket(
      SessionID(high: 4, low: low, worker: 0), minute: minute, .r20251125, [], path: keys.signing.path(""),
      principal: keys.signing.principal(""))
  }

  private func isTaken(_ ticket: SessionTicket, of keys: SessionKeys, by others: SessionKeys) -> Bool {
    var text = ByteBuffer()
    ticket.append(to: &text, key: keys.signing)
    return others.open(text.bytes)?.id == ticket.id
  }

  @Test("the secret is made once, for its owner alone, and is another one for each port")
  func secret() throws {
    let first = try keys()
    #expect(try isTaken(ticket(first), of: first, by: keys()))
    #expect(try !isTaken(ticket(first), of: first, by: keys(port: 2)))
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/sessions-1.secret")
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == 2, "no draft is left")
  }

  @Test("processes that start at the same time agree on one secret")
  func race() async throws {
    let path = path
    let logger = logger
    let made = await withTaskGroup(of: SessionKeys?.self) { group in
      for _ in 0..<8 { group.addTask { try? SecretStore.keys(.init(), in: path, port: 1, logger) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let all = made.compactMap { $0 }
    #expect(all.count == 8 && all.allSatisfy { isTaken(ticket(all[0]), of: all[0], by: $0) })
  }

  @Test(
    "a secret that others may know, or that is none, is set aside, and the next one is kept",
    arguments: ["0640", "short\n", "", "two words of more than thirty-two characters\n", "directory", "link"])
  func spoilt(how: String) throws {
    let first = try keys()
    let file = "\(path)/sessions-1.secret"
    switch how {
    case "0640": try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file)
    case "directory":
      try FileManager.default.removeItem(atPath: file)
      try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
    case "link":
      try FileManager.default.moveItem(atPath: file, toPath: "\(path)/other")
      try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "\(path)/other")
    default: try Data(how.utf8).write(to: URL(fileURLWithPath: file))
    }
    let second = try keys()
    #expect(!isTaken(ticket(first), of: first, by: second))
    #expect(try isTaken(ticket(second), of: second, by: keys()))
    #expect(log.lines.count == 1 && log.lines[0].contains("set aside as \(file).spoilt"))
    #expect(FileManager.default.fileExists(atPath: "\(file).spoilt"))
    let attributes = try FileManager.default.attributesOfItem(atPath: file)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
  }

  @Test("processes that find a spoilt secret at the same time agree on the next one")
  func raceToMend() async throws {
    _ = try keys()
    try Data("short\n".utf8).write(to: URL(fileURLWithPath: "\(path)/sessions-1.secret"))
    let (path, logger) = (path, logger)
    let made = await withTaskGroup(of: SessionKeys?.self) { group in
      for _ in 0..<8 { group.addTask { try? SecretStore.keys(.init(), in: path, port: 1, logger) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let all = made.compactMap { $0 }
    #expect(all.count == 8 && all.allSatisfy { isTaken(ticket(all[0]), of: all[0], by: $0) })
    #expect(log.lines.count == 1)
  }

  @Test("what is configured wins, and what a file holds is taken too")
  func configured() throws {
    var sessions = GatewayConfiguration.Sessions()
    sessions.secrets = [String(repeating: "a", count: 32)]
    let own = try keys(sessions)
    #expect(!FileManager.default.fileExists(atPath: path))
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let file = "\(path)/mine"
    try Data((String(repeating: "b", count: 32) + "\n" + String(repeating: "a", count: 32)).utf8).write(
      to: URL(fileURLWithPath: file))
    sessions.secrets = []
    sessions.secretFile = file
    let other = try keys(sessions)
    #expect(isTaken(ticket(own), of: own, by: other) && !isTaken(ticket(other), of: other, by: own))
    sessions.secretFile = "\(path)/none"
    #expect(throws: SecretStore.Failure.self) { _ = try self.keys(sessions) }
  }
}
