import Foundation
import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite("A file of secrets")
struct SecretFileTests {
  private static let first = String(repeating: "a", count: 32)
  private static let second = String(repeating: "b", count: 40)

  private func secrets(_ text: String) throws -> [String] {
    try SecretFile.secrets(in: Array(text.utf8), of: "/run/secret").map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "holds one on each line, whichever system wrote it",
    arguments: [
      "\(first)\n\(second)\n", "\(first)\r\n\(second)", "\u{FEFF}\(first)\r\(second)\n",
      "\n\(first)\n  \n\t\n\(second)\n\n",
    ])
  func lines(text: String) throws {
    #expect(try secrets(text) == [Self.first, Self.second])
  }

  @Test(
    "that can't be meant is told with its line, and never shown",
    arguments: [
      ("", "/run/secret is empty"), ("\n \r\n", "/run/secret holds blank lines only"),
      ("short\n", "/run/secret, line 1, is too short for a secret"),
      ("\(first.dropLast())\n", "/run/secret, line 1, is too short for a secret"),
      ("\(first)\nshort", "/run/secret, line 2, is too short for a secret"),
      ("\(first) \n", "/run/secret, line 1, has a blank in a secret or beside it"),
      ("\n\(first) \(second)", "/run/secret, line 2, has a blank in a secret or beside it"),
      ("\(first)\0", "/run/secret, line 1, is no text"),
    ])
  func mistakes(text: String, told: String) {
    let fault = #expect(throws: SecretFile.Fault.self) { try secrets(text) }
    #expect(fault?.description == told)
    #expect(fault?.expected?.contains("openssl rand -hex 32") == true)
  }

  @Test("that is too large is none")
  func size() {
    let fault = #expect(throws: SecretFile.Fault.self) { try secrets(String(repeating: "a", count: 70_000)) }
    #expect(fault?.description == "/run/secret has more than 64KiB")
  }

  private func remarks(_ contents: String?, _ publicity: ConfigurationFiles.Publicity = .own) throws -> [Diagnostic] {
    var inputs = ConfigurationInputs()
    inputs.file = "/etc/sluice.yaml"
    var held = ["/etc/sluice.yaml": "sessions:\n  secret_file: secret\n"]
    held["/etc/secret"] = contents
    var files = ConfigurationFiles.inMemory(held)
    files.publicity = { _ in publicity }
    return try ConfigurationLoader.load(inputs, environment: [:], files: files).secretRemarks(files)
  }

  @Test("is looked at before anything is served, and what is wrong is told where it is named")
  func remarks() throws {
    #expect(try remarks(Self.first).isEmpty)
    for contents in [nil, "", "short\n", "\(Self.first) \n"] {
      let found = try remarks(contents)
      #expect(found.count == 1 && found[0].severity == .error && found[0].position.line == 2)
      #expect(found[0].message.contains("`sessions.secret_file`") && found[0].message.contains("/etc/secret"))
    }
  }

  @Test("that others may read or write to is worth a warning")
  func publicity() throws {
    for publicity in [ConfigurationFiles.Publicity.readable, .writable] {
      let found = try remarks(Self.first, publicity)
      #expect(found.count == 1 && found[0].severity == .warning && found[0].expected?.contains("chmod 600") == true)
    }
  }

  @Test("is its owner's, everybody's to read or others' to write by its mode")
  func modes() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)")
    try Data("x".utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    for (mode, expected) in [
      (0o600, ConfigurationFiles.Publicity.own), (0o640, .own), (0o644, .readable), (0o660, .writable),
      (0o602, .writable),
    ] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
      #expect(ConfigurationFiles.system.publicity(file.path) == expected)
    }
    #expect(ConfigurationFiles.system.publicity("\(file.path).none") == nil)
  }
}
