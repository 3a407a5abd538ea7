import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct ListenerTLSTests {
  private func load(_ tls: String, files names: [String] = ["a", "ka", "b", "kb", "ca"]) throws(ConfigurationError)
    -> GatewayConfiguration.Listeners.TLS?
  {
    var inputs = ConfigurationInputs()
    inputs.file = "/sluice.yaml"
    var files = ["/sluice.yaml": "listeners: {http: {tls: \(tls)}}"]
    for name in names { files["/" + name] = "" }
    return try ConfigurationLoader.load(inputs, environment: [:], files: .inMemory(files)).configuration.listeners.http
      .tls
  }

  private func mistake(_ tls: String, files: [String] = ["a", "ka"]) -> Diagnostic? {
    do throws(ConfigurationError) {
      _ = try load(tls, files: files)
      return nil
    } catch {
      return error.diagnostics.count == 1 ? error.diagnostics[0] : nil
    }
  }

  @Test("the pair that stands alone comes before those of the list")
  func certificates() throws {
    let both = try load("{cert: a, key: ka, certificates: [{cert: b, key: kb}]}")
    #expect(
      both?.identities == [.init(certificate: "/a", key: "/ka"), .init(certificate: "/b", key: "/kb")])
    #expect(both?.clientAuthentication == .off)
    #expect(try load("{certificates: [{cert: b, key: kb}]}")?.identities == [.init(certificate: "/b", key: "/kb")])
  }

  @Test("roots of client certificates make them required unless something else is said")
  func clientCertificates() throws {
    #expect(try load("{cert: a, key: ka, client_ca: ca}")?.clientAuthentication == .required)
    #expect(try load("{cert: a, key: ka, client_ca: ca, client_auth: optional}")?.clientAuthentication == .optional)
    #expect(try load("{cert: a, key: ka, client_ca: ca, client_auth: off}")?.clientAuthentication == .off)
    #expect(mistake("{cert: a, key: ka, client_auth: required}")?.expected == "`client_ca` beside `client_auth`")
    #expect(mistake("{cert: a, key: ka, client_auth: requird}")?.suggestion == "required")
  }

  @Test("half a pair and a file that is not there are mistakes")
  func incomplete() {
    #expect(mistake("{cert: a}")?.expected == "both `cert` and `key`")
    #expect(mistake("{}")?.expected == "both `cert` and `key`")
    #expect(mistake("{certificates: [{cert: a}]}")?.expected == "both `cert` and `key`")
    #expect(mistake("{cert: a, key: kb}")?.message == "there is no file /kb")
    #expect(mistake("{cert: a, key: kb}")?.position.line == 1)
  }
}
