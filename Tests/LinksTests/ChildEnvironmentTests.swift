import Foundation
import Testing

@testable import Links

@Suite("What a child sees of the environment")
struct ChildEnvironmentTests {
  @Test("is a short list, and what is configured, which stands in the place of what it would inherit")
  func made() throws {
    let path = try #require(ProcessInfo.processInfo.environment["PATH"])
    #expect(ChildEnvironment.make(adding: [:]).contains("PATH=\(path)"))
    let made = ChildEnvironment.make(adding: ["PATH": "/its/own", "TOKEN": "a=b"])
    #expect(made.filter { $0.hasPrefix("PATH=") } == ["PATH=/its/own"])
    #expect(made.contains("TOKEN=a=b"))
    let names = Set(made.map { $0.prefix { $0 != "=" } })
    #expect(names.count == made.count)
    #expect(names.isSubset(of: Set((ChildEnvironment.inherited + ["TOKEN"]).map { $0[...] })))
  }
}
