import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

private func loadClient(
  _ json: String, environment: [String: String] = [:], path: String = "/srv/mcp.json", files: [String: String] = [:],
  yaml: String? = nil
) throws(ConfigurationError) -> LoadedConfiguration {
  var inputs = ConfigurationInputs()
  inputs.clientFiles = [path]
  inputs.currentDirectory = "/work"
  var contents = files
  contents[path] = json
  if let yaml {
    inputs.file = "sluice.yaml"
    contents["sluice.yaml"] = yaml
  }
  return try ConfigurationLoader.load(inputs, environment: environment, files: .inMemory(contents))
}

private func clientMistakes(_ json: String, environment: [String: String] = [:], yaml: String? = nil) -> [String] {
  do throws(ConfigurationError) {
    _ = try loadClient(json, environment: environment, yaml: yaml)
    return []
  } catch {
    return error.diagnostics.filter { $0.severity == .error }.map { "\($0.position): \($0.message)" }
  }
}

@Suite struct ClientFileTests {
  @Test("what only the client can substitute is taken as it stands, with a warning")
  func foreignSubstitution() throws {
    let loaded = try loadClient(#"{"mcpServers": {"a": {"command": "x", "args": ["${command:pick.folder}"]}}}"#)
    #expect(loaded.diagnostics.map(\.severity) == [.warning])
    #expect(loaded.diagnostics[0].message.hasPrefix("`${command:pick.folder}` is taken as it stands"))
  }

  @Test("a file of Claude Desktop is taken as it is")
  func claudeDesktop() throws {
    let loaded = try loadClient(
      #"""
      {
        "globalShortcut": "",
        "mcpServers": {
          "My Files": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/a/no"],
            "env": {"DEBUG": "no", "LEVEL": 3, "UNSET": null}
          }
        }
      }
      """#)
    let server = try #require(loaded.configuration.servers.first)
    #expect(server.alias == "my-files")
    #expect(server.displayName == "My Files")
    #expect(server.isolation == .shared)
    #expect(server.position == SourcePosition(file: "/srv/mcp.json", line: 4, column: 5))
    #expect(
      server.kind
        == .command(
          .init(
            command: "npx", arguments: ["-y", "@modelcontextprotocol/server-filesystem", "/Users/a/no"],
            environment: ["DEBUG": "no", "LEVEL": "3"])))
    #expect(loaded.diagnostics.map(\.severity) == [.note])
  }

  @Test("a file of VS Code is taken with its comments, inputs and variables")
  func visualStudioCode() throws {
    let loaded = try loadClient(
      #"""
      // .vscode/mcp.json
      {
        "inputs": [{"type": "promptString", "id": "api-key", "password": true},],
        "servers": {
          /* two of them */
          "@scope/search": {
            "type": "http", "url": "https://search.example:8443/mcp?x=1",
            "headers": {"Authorization": "Bearer ${input:api-key}", "X-Env": "${env:STAGE}"},
            "gallery": true,
          },
          "local": {
            "type": "stdio", "command": "${workspaceFolder}/bin/server", "args": ["--home", "${userHome}", "$1", "${x y}"],
            "envFile": "${workspaceFolder}/.env", "env": {"A": "own"}, "cwd": "${workspaceFolder}", "dev": {"watch": "x"}
          }
        }
      }
      """#,
      environment: ["SLUICE_INPUT_API_KEY": "k1", "STAGE": "test", "HOME": "/home/u"],
      path: "/srv/app/.vscode/mcp.json",
      files: ["/srv/app/.env": "# names\nexport A=file\nB='two words' # rest\nC=\"x\\ny\"\nD= plain # c\n"])
    #expect(loaded.configuration.servers.map(\.alias) == ["scope-search", "local"])
    #expect(
      loaded.configuration.servers[0].kind
        == .url(
          .init(
            endpoints: [
              .init(url: EndpointURL(scheme: .https, host: "search.example", port: 8443, target: "/mcp?x=1"))
            ],
            headers: [.init(name: "Authorization", value: "Bearer k1"), .init(name: "X-Env", value: "test")],
            transport: .http)))
    #expect(
      loaded.configuration.servers[1].kind
        == .command(
          .init(
            command: "/srv/app/bin/server", arguments: ["--home", "/home/u", "$1", "${x y}"],
            environment: ["A": "own", "B": "two words", "C": "x\ny", "D": "plain"], workingDirectory: "/srv/app")))
  }

  @Test(
    "every spelling of a transport is understood",
    arguments: [
      (#""type": "streamable-http""#, GatewayConfiguration.Remote.Transport.http),
      (#""transport": "streamableHttp""#, .http),
      (#""transportType": "http""#, .http),
      (#""type": "sse""#, .sse),
      (#""type": "ws""#, .webSocket),
      (#""headers": {}"#, .automatic),
    ])
  func transports(member: String, transport: GatewayConfiguration.Remote.Transport) throws {
    let loaded = try loadClient(#"{"mcpServers": {"a": {"serverUrl": "http://h/sse", \#(member)}}}"#)
    guard case .url(let remote) = loaded.configuration.servers[0].kind else { return #expect(Bool(false)) }
    #expect(remote.transport == transport)
    #expect(loaded.configuration.servers[0].isolation == .session)
  }

  @Test("an input that nobody gave names the variable that would give it")
  func missingInput() {
    do throws(ConfigurationError) {
      _ = try loadClient(#"{"servers": {"a": {"command": "x", "env": {"K": "${input:my.key}"}}}}"#)
      Issue.record("it loaded")
    } catch {
      #expect(error.diagnostics[0].position == SourcePosition(file: "/srv/mcp.json", line: 1, column: 49))
      #expect(error.diagnostics[0].expected == "its value in the environment as SLUICE_INPUT_MY_KEY")
    }
  }

  @Test("a disabled server is left out, whatever it refers to")
  func disabled() throws {
    let loaded = try loadClient(
      #"{"mcpServers": {"a": {"command": "${env:NOPE}", "disabled": true}, "b": {"command": "x", "disabled": false}}}"#)
    #expect(loaded.configuration.servers.map(\.alias) == ["b"])
    #expect(loaded.disabled.map(\.alias) == ["a"])
  }

  @Test("two servers with one alias are a mistake that names both places")
  func clash() {
    #expect(
      clientMistakes(
        "{\"mcpServers\": {\n  \"files\": {\"command\": \"y\"},\n  \"Files\": {\"command\": \"z\"}}}",
        yaml: "servers:\n  files: {command: x}\n")
        == [
          "/srv/mcp.json:2:3: there are two servers with the alias `files`, the first at sluice.yaml:2:3",
          "/srv/mcp.json:3:3: there are two servers with the alias `files` (from the name `Files`), "
            + "the first at sluice.yaml:2:3",
        ])
  }

  @Test("whatever a server is called, it has an alias, the same each time")
  func names() throws {
    func aliases(_ names: String...) throws -> [String] {
      let members = names.map { "\"\($0)\": {\"command\": \"x\"}" }.joined(separator: ",")
      return try loadClient("{\"mcpServers\": {\(members)}}").configuration.servers.map(\.alias)
    }
    for name in ["日本", "高德地图", "Погода", "🚀", "SSE", "api", "***"] {
      let alias = try aliases(name)
      #expect(
        alias.count == 1 && Alias.isWellFormed(alias[0]) && !Alias.reserved.contains(alias[0]), "\(name): \(alias)")
      #expect(try aliases("a", name).last == alias[0])
    }
    #expect(Set(try aliases("日本", "中国", "Погода", "plain")).count == 4)
    // The same is left of both.
    let twins = try aliases("Погода 1", "Карты 1")
    #expect(twins[0] == "1" && twins[1].hasPrefix("1-") && Alias.isWellFormed(twins[1]))
    let long = String(repeating: "é", count: 200)
    #expect(Alias.isWellFormed(try aliases(long)[0]))
    #expect(clientMistakes(#"{"servers": {" ": {"command": "x"}}}"#) == ["/srv/mcp.json:1:14: a server without a name"])
  }

  @Test(
    "a server that its client has switched off is left out, however the client says so",
    arguments: [
      #""disabled": true"#, #""enabled": false"#, #""isActive": false"#, #""active": false"#, #""is_enabled": false"#,
      #""isDisabled": true"#, #""enabled": false, "disabled": false"#,
    ])
  func switchedOff(member: String) throws {
    let loaded = try loadClient("{\"mcpServers\": {\"a\": {\"command\": \"${env:NOPE}\", \(member)}}}")
    #expect(loaded.disabled.map(\.alias) == ["a"] && loaded.configuration.servers.isEmpty)
  }

  @Test("one that is switched on is served, and a switch of another kind is passed over")
  func switchedOn() throws {
    for member in [#""enabled": true"#, #""isActive": true"#, #""disabled": false"#, #""active": ["x"]"#] {
      #expect(
        try loadClient("{\"mcpServers\": {\"a\": {\"command\": \"x\", \(member)}}}").configuration.servers.count == 1)
    }
  }

  @Test(
    "the URL is found by whichever name a client gives it",
    arguments: [
      (#""httpUrl": "http://h/mcp""#, "http"), (#""http_url": "http://h/mcp""#, "http"),
      (#""url": "http://other/sse", "httpUrl": "http://h/mcp""#, "http"),
      (#""httpUrl": "http://h/mcp", "url": "http://other/sse""#, "http"),
      (#""streamableHttpUrl": "http://h/mcp""#, "http"), (#""sseUrl": "http://h/mcp""#, "sse"),
      (#""serverUrl": "http://h/mcp""#, "auto"), (#""baseUrl": "http://h/mcp""#, "auto"),
      (#""baseUrl": "http://other/", "url": "http://h/mcp""#, "auto"),
      (#""baseUrl": "", "url": "http://h/mcp""#, "auto"),
      (#""httpUrl": "http://h/mcp", "type": "sse""#, "sse"),
    ])
  func urls(members: String, transport: String) throws {
    let loaded = try loadClient("{\"mcpServers\": {\"a\": {\(members), \"headers\": {\"X-Key\": \"k\"}}}}")
    let server = try #require(loaded.configuration.servers.first)
    guard case .url(let remote) = server.kind else { return #expect(Bool(false), "\(server.kind)") }
    #expect(remote.endpoints.map(\.shown) == ["http://h/mcp"] && remote.transport.rawValue == transport)
  }

  @Test("a server with nothing that is known says what it has instead")
  func unknownMembers() {
    do throws(ConfigurationError) {
      _ = try loadClient(#"{"mcpServers": {"a": {"adress": "http://h/", "timeout": 3}}}"#)
      #expect(Bool(false))
    } catch {
      #expect(error.diagnostics.last?.found == "nothing but `adress`, `timeout`")
    }
    #expect(clientMistakes(#"{"mcpServers": {"a": {"command": "x", "baseUrl": ""}}}"#).isEmpty)
  }

  @Test("servers that can't work are mistakes at the member at fault")
  func wrongServers() {
    #expect(
      clientMistakes(
        #"""
        {"mcpServers": {
          "a": {"url": "ftp://h/"},
          "b": {"url": "http://h/", "type": "stdio"},
          "c": {"command": "x", "type": "http"},
          "d": {"url": "http://h/", "headers": {"A": "1\n2", "B C": "1", "X": "1", "x": "2"}},
          "e": {"command": "x", "args": "-y z"},
          "f": {"command": "x", "envFile": "no.env"},
          "g": {"url": "http://h/", "type": "htpp"},
          "h": {}
        }}
        """#)
        == [
          "/srv/mcp.json:6:33: `mcpServers.e.args` has the wrong form",
          "/srv/mcp.json:8:37: `mcpServers.g.type` has the wrong form",
          "/srv/mcp.json:2:16: the url of `a` can't be used: the scheme `ftp` can't be used",
          "/srv/mcp.json:3:29: server `b` has a url, so its type can't be `stdio`",
          "/srv/mcp.json:4:25: server `c` has a command, so its type can only be `stdio`",
          "/srv/mcp.json:5:46: the value of the header `A` holds a line break or a control character",
          "/srv/mcp.json:5:54: `B C` can't be the name of a header",
          "/srv/mcp.json:5:76: the header `x` is given twice; names differ by more than case",
          "/srv/mcp.json:7:36: the environment file /srv/no.env can't be read: No such file or directory",
          "/srv/mcp.json:9:3: server `h` has neither a command nor a url",
        ])
  }

  @Test("a file without servers says what is missing")
  func noServers() {
    #expect(clientMistakes("[]") == ["/srv/mcp.json:1:1: not a client's file"])
    #expect(clientMistakes(#"{"mcpServer": {}}"#) == ["/srv/mcp.json:1:1: no servers in this file"])
    #expect(clientMistakes(#"{"mcp": {"servers": {}}}"#).isEmpty)
  }

  @Test("inline text is named by its flag or variable")
  func inline() throws {
    var inputs = ConfigurationInputs()
    inputs.clientTexts = [#"{"mcpServers": {"a": {"command": "x"}}}"#, #"{"servers": {"b": {"command": "y",}}}"#]
    let environment = ["SLUICE_MCP_JSON": "{"]
    let loaded = try ConfigurationLoader.load(inputs, environment: environment, files: .inMemory([:]))
    #expect(loaded.configuration.servers.map(\.alias) == ["a", "b"])
    #expect(loaded.configuration.servers[0].position.file == "--mcp-json")
    inputs.clientTexts = []
    #expect {
      try ConfigurationLoader.load(inputs, environment: environment, files: .inMemory([:]))
    } throws: { error in
      (error as? ConfigurationError)?.diagnostics[0].position
        == SourcePosition(file: "SLUICE_MCP_JSON", line: 1, column: 2)
    }
  }

  @Test("headers that the gateway writes itself are left out with a warning")
  func managedHeaders() throws {
    let loaded = try loadClient(
      #"{"servers": {"a": {"url": "http://h", "headers": {"Accept": "*/*", "X-Key": " v "}}}}"#)
    guard case .url(let remote) = loaded.configuration.servers[0].kind else { return #expect(Bool(false)) }
    #expect(remote.headers == [.init(name: "X-Key", value: "v")])
    #expect(loaded.diagnostics.map(\.severity) == [.warning])
  }
}
