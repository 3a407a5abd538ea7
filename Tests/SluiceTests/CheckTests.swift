import Configuration
import ConfigurationLoading
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

  @Test("is how one of several endpoints is chosen, and what children may take")
  func endpoints() throws {
    var inputs = ConfigurationInputs()
    inputs.file = "sluice.yaml"
    let configuration = try ConfigurationLoader.load(
      inputs, environment: [:],
      files: .inMemory([
        "sluice.yaml": """
        servers:
          a: {url: "http://h/mcp", endpoints: [{url: "http://i/mcp", weight: 2}], routing: {key: principal}}
          b: {command: run, replicas: 3, routing: {algorithm: round_robin}, limits: {memory: 1GiB, cpu: 0.5}}
          c: {command: run}
          d: {url: "http://h/mcp", resolve: all}
          e: {url: "http://127.0.0.1/mcp", resolve: all}
        """
      ])
    ).configuration
    let lines = CheckReport(configuration).text.split(separator: "\n").map { $0.drop { $0 == " " } }
    #expect(lines.contains("auto: http://h/mcp, http://i/mcp"))
    #expect(lines.filter { $0.hasPrefix("endpoints: ") }.count == 3)
    #expect(lines.contains("endpoints: addresses of the name, consistent_hash by session, weights 1"))
    #expect(lines.contains("endpoints: 2, consistent_hash by principal, weights 1:2"))
    #expect(lines.contains("endpoints: 3 replicas, round_robin"))
    #expect(lines.filter { $0.hasPrefix("limits: ") } == ["limits: memory 1GiB, cpu 0.5"])
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
