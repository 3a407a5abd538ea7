import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite("What may be reached from beyond this machine")
struct ExposureTests {
  private static let tls = "tls: {cert: a.pem, key: a.key"

  private func load(_ yaml: String, flags: [ConfigurationInputs.Override] = [], environment: [String: String] = [:])
    throws(ConfigurationError) -> LoadedConfiguration
  {
    var inputs = ConfigurationInputs()
    inputs.file = "sluice.yaml"
    inputs.overrides = flags
    return try ConfigurationLoader.load(
      inputs, environment: environment,
      files: .inMemory(["sluice.yaml": yaml, "a.pem": "", "a.key": "", "ca.pem": ""]))
  }

  private func refusals(_ yaml: String, environment: [String: String] = [:]) -> [String] {
    do throws(ConfigurationError) {
      _ = try load(yaml, environment: environment)
      return []
    } catch {
      return error.diagnostics.filter { $0.severity == .error }.map(\.description)
    }
  }

  @Test(
    "an address of this machine alone is served to anybody",
    arguments: ["127.0.0.1", "127.1.2.3", "localhost", "LocalHost", "\"::1\"", "\"[::1]\"", "\"::ffff:127.0.0.1\""])
  func loopback(host: String) throws {
    let loaded = try load("listeners: {http: {host: \(host)}, websocket: {host: \(host)}, admin: {host: \(host)}}")
    #expect(loaded.diagnostics.isEmpty)
  }

  @Test(
    "any other is refused for a listener that asks nobody who they are, with what to do",
    arguments: [
      "0.0.0.0", "\"::\"", "192.0.2.1", "\"2001:db8::1\"", "\"::ffff:192.0.2.1\"", "gateway.example", "127.example",
      "localhost.example", "1.127.0.0",
    ],
    ["http", "websocket", "admin"])
  func beyond(host: String, listener: String) {
    let found = refusals("listeners:\n  \(listener):\n    host: \(host)\n")
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("sluice.yaml:3:11: error: `listeners.\(listener)` would serve others than this machine"))
    for word in ["client_auth: required", "127.0.0.1", "allow_unauthenticated: true", "--allow-unauthenticated"] {
      #expect(found[0].contains(word))
    }
  }

  @Test("each open listener is told of, where its host was said")
  func places() {
    let found = refusals("listeners: {http: {host: 0.0.0.0}}", environment: ["SLUICE_ADMIN_HOST": "0.0.0.0"])
    #expect(found.count == 2)
    #expect(found[0].hasPrefix("sluice.yaml:1:"))
    #expect(found[1].hasPrefix("SLUICE_ADMIN_HOST: error: "))
  }

  @Test("certificates that are asked for make it no concern, and no less than required does")
  func certificates() {
    let required = "\(Self.tls), client_ca: ca.pem}"
    let optional = "\(Self.tls), client_ca: ca.pem, client_auth: optional}"
    #expect(refusals("listeners: {http: {host: 0.0.0.0, \(required)}}") == [])
    #expect(refusals("listeners: {http: {host: 0.0.0.0, \(optional)}}").count == 1)
    #expect(refusals("listeners: {http: {host: 0.0.0.0, \(Self.tls)}}}").count == 1)
    // What is told of `tls` is enough.
    let broken = refusals("listeners: {http: {host: 0.0.0.0, tls: {cert: a.pem, client_ca: ca.pem}}}")
    #expect(broken.count == 1)
    #expect(broken[0].contains("incomplete"))
  }

  @Test("who allows it is warned each time", arguments: ["file", "variable", "flag"])
  func allowed(by source: String) throws {
    let yaml = "listeners: {http: {host: 0.0.0.0}}" + (source == "file" ? "\nallow_unauthenticated: true" : "")
    let loaded = try load(
      yaml,
      flags: source == "flag"
        ? [.init(path: "allow_unauthenticated", flag: "--allow-unauthenticated", value: "true")] : [],
      environment: source == "variable" ? ["SLUICE_ALLOW_UNAUTHENTICATED": "true"] : [:])
    #expect(loaded.configuration.allowUnauthenticated)
    #expect(loaded.diagnostics.map(\.severity) == [.warning])
    #expect(loaded.diagnostics[0].message.hasSuffix("whoever can reach it can use every server"))
  }

  @Test("a socket that was handed over counts, whatever the configuration says")
  func handedOver() throws {
    var listeners = GatewayConfiguration.Listeners()
    #expect(listeners.exposures().isEmpty)
    #expect(
      listeners.exposures(bound: ["websocket"]).map(\.refusal) == [
        "`listeners.websocket` would serve others than this machine (the socket that it was given) without asking who they are"
      ])
    listeners.webSocket.host = "0.0.0.0"
    #expect(listeners.exposures(bound: ["websocket"]) == listeners.exposures())
    listeners.webSocket.tls = .init(identities: [])
    listeners.webSocket.tls?.clientAuthentication = .required
    #expect(listeners.exposures(bound: ["websocket"]).isEmpty)
  }
}
