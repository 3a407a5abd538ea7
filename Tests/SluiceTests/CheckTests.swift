import Foundation
import Testing

@testable import sluice

@Suite("What `check --json` says")
struct CheckTests {
  private struct Answer: Decodable {
    struct Remark: Decodable {
      var message: String
    }

    var ok: Bool
    var diagnostics: [Remark]
  }

  /// The one JSON object that is printed, and whether the command ends with 0.
  private func check(_ configuration: String) throws -> (answer: Answer, isServable: Bool) {
    let file = FileManager.default.temporaryDirectory.appending(path: "check-\(UUID().uuidString).yaml")
    try Data(configuration.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let outcome = try Check.parse(["--json", "--config", file.path()]).outcome([:])
    return (try JSONDecoder().decode(Answer.self, from: Data(outcome.text.utf8)), outcome.isServable)
  }

  @Test("is well where all can be served")
  func well() throws {
    let (answer, isServable) = try check("workers: 2\n")
    #expect(answer.ok && isServable)
  }

  @Test("is a mistake in the file, and no success")
  func mistake() throws {
    let (answer, isServable) = try check("wrokers: 2\n")
    #expect(!answer.ok && !isServable)
    #expect(answer.diagnostics.contains { $0.message.contains("wrokers") })
  }

  @Test(
    "is a certificate that can't be used, and no success",
    arguments: [("/nowhere.pem", "there is no file"), ("/dev/null", "it has none in PEM form")])
  func certificate(file: String, why: String) throws {
    let (answer, isServable) = try check("listeners: {http: {tls: {cert: \(file), key: \(file)}}}\n")
    #expect(!answer.ok && !isServable)
    #expect(answer.diagnostics.contains { $0.message.contains(why) }, "\(answer.diagnostics)")
  }
}
