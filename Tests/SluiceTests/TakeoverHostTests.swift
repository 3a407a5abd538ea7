import Foundation
import Testing

@testable import sluice

@Suite("Where another process can take over")
struct TakeoverHostTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "sluice-\(UUID().uuidString.prefix(8))")

  init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

  @Test("what others have put there stays")
  func foreign() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("file")
    try Data("precious".utf8).write(to: file)
    let host = try Takeover.Host(path: file.path)
    #expect(host.publish(replacing: false) == "there is something else than a socket")
    #expect(host.publish(replacing: true) == "there is something else than a socket")
    host.withdraw()
    #expect(try String(contentsOf: file, encoding: .utf8) == "precious")
  }

  @Test("a process that listens there is replaced by its successor alone, and what it left behind by anybody")
  func occupied() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("s").path
    var first: Takeover.Host? = try Takeover.Host(path: path)
    #expect(first?.publish(replacing: false) == nil)
    let second = try Takeover.Host(path: path + "2")
    #expect(second.publish(replacing: false) == nil)
    let other = try Takeover.Host(path: path)
    #expect(other.publish(replacing: false) == "another process listens there")
    #expect(other.publish(replacing: true) == nil)
    first?.withdraw()
    first = nil
    #expect(FileManager.default.fileExists(atPath: path), "it is the successor's by now")
    other.withdraw()
    second.withdraw()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }
}
