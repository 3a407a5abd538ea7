import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct CommandLookupTests {
  private let present: Set<String> = ["/usr/bin/npx", "/opt/x/server", "./here"]

  @Test("a name is searched for, a path is taken as it is")
  func find() {
    #expect(CommandLookup.find("npx", in: "/bin:/usr/bin", isExecutable: present.contains) == "/usr/bin/npx")
    #expect(CommandLookup.find("npx", in: "/bin", isExecutable: present.contains) == nil)
    #expect(CommandLookup.find("/opt/x/server", in: "", isExecutable: present.contains) == "/opt/x/server")
    #expect(CommandLookup.find("here", in: "/bin:", isExecutable: present.contains) == "./here")
  }

  @Test("a command that is not there is a warning at its server")
  func missing() throws {
    let configuration = try load(
      "servers:\n  a: {command: npx}\n  b: {command: uvx}\n  c: {command: server, env: {PATH: /opt/x}}\n"
    ).configuration
    let found = CommandLookup.missing(
      in: configuration, environment: ["PATH": "/usr/bin"], isExecutable: present.contains)
    #expect(found.map(\.position.line) == [3])
    #expect(found.map(\.severity) == [.warning])
  }
}
