import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import Reactor
import Testing

@testable import Lifecycle
@testable import Workers

/// Files that are not there stand for all that can't be used.
@Suite("Certificates of listeners and upstreams")
struct CertificatesTests {
  private typealias TLS = GatewayConfiguration.Listeners.TLS

  private let missing = TLS(identities: [.init(certificate: "/nowhere/cert.pem", key: "/nowhere/key.pem")])

  private func upstream(_ alias: String, _ url: String, tls: GatewayConfiguration.UpstreamTLS, line: Int) throws
    -> GatewayConfiguration.Server
  {
    let remote = GatewayConfiguration.Remote(endpoints: [.init(url: try EndpointURL(parsing: url))], tls: tls)
    return GatewayConfiguration.Server(
      alias: alias, kind: .url(remote), position: SourcePosition(file: "servers.json", line: line))
  }

  private func mistakes(
    in configuration: GatewayConfiguration, settings: [String: SourcePosition] = [:]
  ) throws -> [Diagnostic] {
    var loaded = try ConfigurationLoader.load(ConfigurationInputs(), environment: [:])
    (loaded.configuration, loaded.settings) = (configuration, settings)
    return CertificateMistakes.find(in: loaded)
  }

  @Test("listeners without any are plain")
  func plain() throws {
    let contexts = try ListenerContexts(GatewayConfiguration().listeners, renewing: .plain)
    for label in [ListenerLabel.http, ListenerLabel.webSocket, ListenerLabel.admin] {
      #expect(contexts[label] == nil && ListenerContexts.plain[label] == nil)
    }
  }

  @Test("of a listener that can't be used make no contexts at all, and say which listener it is", arguments: 0..<3)
  func whole(_ place: Int) {
    var listeners = GatewayConfiguration.Listeners()
    switch place {
    case 0: listeners.http.tls = missing
    case 1: listeners.webSocket.tls = missing
    default: listeners.admin.tls = missing
    }
    let name = ["http", "websocket", "admin"][place]
    let failure = #expect(throws: ListenerContexts.Failure.self) {
      _ = try ListenerContexts(listeners, renewing: nil)
    }
    #expect(failure?.description.hasPrefix("listeners.\(name).tls: ") == true)
  }

  @Test("that can't be used are told of where they are configured, each of them")
  func positions() throws {
    var configuration = GatewayConfiguration()
    configuration.listeners.http.tls = missing
    configuration.listeners.admin.tls = missing
    configuration.servers = [
      try upstream("far", "https://h.example/", tls: .init(ca: "/nowhere/ca.pem"), line: 7)
    ]
    let found = try mistakes(
      in: configuration, settings: ["listeners.http.tls": SourcePosition(file: "sluice.json", line: 3)])
    #expect(found.map(\.position.file) == ["sluice.json", "listeners.admin.tls", "servers.json"])
    #expect(found.map(\.position.line) == [3, 0, 7])
    #expect(found.allSatisfy { $0.severity == .error })
    for (mistake, name) in zip(found, ["`listeners.http.tls`", "`listeners.admin.tls`", "`tls` of `far`"]) {
      #expect(mistake.message.hasPrefix("\(name) can't be used: "))
    }
  }

  @Test("are looked at only where TLS is spoken, and files are named")
  func unneeded() throws {
    var configuration = GatewayConfiguration()
    configuration.servers = [
      try upstream("plain", "http://h.example/", tls: .init(ca: "/nowhere/ca.pem"), line: 1),
      try upstream("usual", "https://h.example/", tls: .init(), line: 2),
      GatewayConfiguration.Server(
        alias: "child", kind: .command(.init(command: "x")), position: SourcePosition(file: "servers.json", line: 3)),
    ]
    #expect(try mistakes(in: configuration).isEmpty)
  }
}
