import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct YAMLServerTests {
  @Test("paths are taken from the directory of the file that names them")
  func relativePaths() throws {
    var inputs = ConfigurationInputs()
    inputs.file = "conf/sluice.yaml"
    inputs.currentDirectory = "/srv"
    let yaml = """
      listeners: {http: {tls: {cert: a.pem, key: /k.pem, client_ca: ./c.pem}}}
      servers:
        a: {command: ./bin/x, cwd: ~/data, env_file: a.env}
        b: {url: "https://h/", tls: {ca: roots.pem}}
      """
    let files = ConfigurationFiles.inMemory([
      "conf/sluice.yaml": yaml, "/srv/conf/a.env": "A=1", "/srv/conf/roots.pem": "",
      "/srv/conf/a.pem": "", "/k.pem": "", "/srv/conf/c.pem": "",
    ])
    let configuration = try ConfigurationLoader.load(inputs, environment: ["HOME": "/home/u"], files: files)
      .configuration
    let tls = try #require(configuration.listeners.http.tls)
    #expect(tls.identities == [.init(certificate: "/srv/conf/a.pem", key: "/k.pem")])
    #expect(tls.clientCA == "/srv/conf/c.pem")
    #expect(
      configuration.servers[0].kind
        == .command(.init(command: "/srv/conf/bin/x", environment: ["A": "1"], workingDirectory: "/home/u/data")))
    guard case .url(let remote) = configuration.servers[1].kind else { return #expect(Bool(false)) }
    #expect(remote.tls == .init(ca: "/srv/conf/roots.pem"))
  }

  @Test("a server has the isolation and era it is given")
  func choices() throws {
    let servers = try load(
      """
      servers:
        a: {command: x, isolation: session, era: legacy}
        b: {url: "http://h", isolation: principal, era: modern, type: sse}
        c: {url: "ws://h"}
      """
    ).configuration.servers
    #expect(servers.map(\.isolation) == [.session, .principal, .session])
    #expect(servers.map(\.era) == [.legacy, .modern, .automatic])
    #expect(servers.map(\.alias) == ["a", "b", "c"])
    guard case .url(let second) = servers[1].kind, case .url(let third) = servers[2].kind else {
      return #expect(Bool(false))
    }
    #expect(second.transport == .sse)
    #expect(third.transport == .webSocket)
  }

  @Test("where clients are told apart each principal has a child of its own, unless something else is said")
  func isolationDefault() throws {
    func isolations(_ tls: String) throws -> [GatewayConfiguration.Server.Isolation] {
      var inputs = ConfigurationInputs()
      inputs.file = "/sluice.yaml"
      let text = """
        listeners: {\(tls)}
        servers:
          a: {command: x}
          b: {command: x, isolation: shared}
          c: {url: "http://h"}
        """
      var files = ["/sluice.yaml": text]
      for name in ["c", "k", "ca"] { files["/" + name] = "" }
      return try ConfigurationLoader.load(inputs, environment: [:], files: .inMemory(files)).configuration.servers
        .map(\.isolation)
    }
    let tls = "tls: {cert: c, key: k"
    #expect(try isolations("http: {\(tls)}}") == [.shared, .shared, .session])
    for listener in ["http", "websocket"] {
      #expect(try isolations("\(listener): {\(tls), client_ca: ca}}") == [.principal, .shared, .session])
      let optional = try isolations("\(listener): {\(tls), client_ca: ca, client_auth: optional}}")
      #expect(optional == [.principal, .shared, .session])
    }
    #expect(try isolations("http: {\(tls), client_ca: ca, client_auth: off}}") == [.shared, .shared, .session])
    #expect(try isolations("admin: {\(tls), client_ca: ca}}") == [.shared, .shared, .session])
  }

  @Test("endpoints come after the url, each with its weight")
  func endpoints() throws {
    let loaded = try load(
      "servers: {a: {url: \"http://h/1\", endpoints: [\"http://h/2\", {url: \"http://h/3\", weight: 4}]}}")
    guard case .url(let remote) = loaded.configuration.servers[0].kind else { return #expect(Bool(false)) }
    #expect(remote.endpoints.map(\.url.target) == ["/1", "/2", "/3"])
    #expect(remote.endpoints.map(\.weight) == [1, 1, 4])
    #expect(loaded.diagnostics.isEmpty)
  }

  @Test("keys of the wrong kind of server and incomplete TLS are mistakes where they stand")
  func misplaced() {
    let found = mistakes(
      """
      servers:
        a: {command: x, headers: {A: b}}
        b: {url: "http://h", cwd: /x}
        c: {url: "https://h", tls: {cert: /c.pem}}
        d: {endpoints: [{weight: 2}]}
        e: {command: x, args: -y}
      """)
    #expect(
      found.map { "\($0.position.line): \($0.message)" } == [
        "5: an endpoint of `servers.d` has no `url`",
        "6: `servers.e.args` has the wrong form",
        "2: `headers` of `a` has no meaning here",
        "3: `cwd` of `b` has no meaning here",
        "4: `tls` of `c` is incomplete",
        "4: there is no file /c.pem",
      ])
  }

  @Test("TLS that protects nothing is a warning")
  func pointlessTLS() throws {
    let loaded = try load("servers: {a: {url: \"http://h\", tls: {verify: false}}}")
    #expect(loaded.diagnostics.map(\.severity) == [.warning, .warning])
  }
}
