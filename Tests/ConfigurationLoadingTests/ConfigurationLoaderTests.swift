import Glibc
import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

/// Loads one YAML text as `sluice.yaml`.
func load(
  _ yaml: String, environment: [String: String] = [:], files: [String: String] = [:],
  flags: [ConfigurationInputs.Override] = []
) throws(ConfigurationError) -> LoadedConfiguration {
  var inputs = ConfigurationInputs()
  inputs.file = "sluice.yaml"
  inputs.overrides = flags
  let contents = files.merging(["sluice.yaml": yaml]) { first, _ in first }
  return try ConfigurationLoader.load(inputs, environment: environment, files: .inMemory(contents))
}

/// The mistakes that loading `yaml` ends with; none if it loads.
func mistakes(_ yaml: String, environment: [String: String] = [:]) -> [Diagnostic] {
  do throws(ConfigurationError) {
    _ = try load(yaml, environment: environment)
    return []
  } catch {
    return error.diagnostics.filter { $0.severity == .error }
  }
}

@Suite struct ConfigurationLoaderTests {
  @Test("nothing given is the defaults, without a word")
  func defaults() throws {
    let loaded = try ConfigurationLoader.load(ConfigurationInputs(), environment: [:], files: .inMemory([:]))
    #expect(loaded.configuration == GatewayConfiguration())
    #expect(loaded.diagnostics.isEmpty)
    #expect(try load("").configuration == GatewayConfiguration())
    #expect(try load("listeners:\nservers:\n").configuration == GatewayConfiguration())
  }

  @Test("every kind of value arrives in its property")
  func values() throws {
    let configuration = try load(
      """
      listeners:
        http: {host: "::1", port: 8080, max_connections: 5, heartbeat_interval: 10s, allowed_origins: ["https://App.example:443"], allowed_hosts: [Gate.Example]}
        admin: {port: 0}
      prefix: always
      limits: {head: 64KiB, body: 4096, depth: 64, head_timeout: 2500, idle_timeout: 1m30s}
      sessions: {max: 7, replay: 4MiB, resume_window: 1h}
      drain_timeout: 0
      first_list_wait: 250ms
      start_timeout: 20s
      list_ttl: 1500ms
      log: {level: debug, format: json}
      workers: 3
      """
    ).configuration
    #expect(configuration.listeners.http.host == "::1")
    #expect(configuration.listeners.http.port == 8080)
    #expect(configuration.listeners.http.allowedOrigins == ["https://app.example"])
    #expect(configuration.listeners.http.allowedHosts == ["gate.example"])
    #expect(configuration.listeners.admin.port == 0)
    #expect(configuration.prefix == .always)
    #expect(configuration.limits.head == 65_536)
    #expect(configuration.limits.body == 4096)
    #expect(configuration.limits.headTimeout == .milliseconds(2500))
    #expect(configuration.limits.idleTimeout == .seconds(90))
    #expect(configuration.sessions.maximum == 7)
    #expect(configuration.sessions.resumeWindow == .seconds(3600))
    #expect(configuration.drainTimeout == .zero)
    #expect(configuration.firstListWait == .milliseconds(250))
    #expect(configuration.startTimeout == .seconds(20))
    #expect(configuration.listTTL == .milliseconds(1500))
    #expect(configuration.log.level == .debug)
    #expect(configuration.log.format == .json)
    #expect(configuration.workers == 3)
  }

  @Test("what is to be known after a restart is kept where the system or the configuration says")
  func stateDirectory() throws {
    func path(_ value: String, _ environment: [String: String]) throws -> String? {
      try load("state_dir: \(value)").configuration.stateDirectory.path(environment: environment)
    }
    let home = ["HOME": "/home/ann"]
    let own = ["XDG_STATE_HOME": "/state", "HOME": "/home/ann"]
    #expect(try path("auto", home) == "/home/ann/.local/state/sluice")
    #expect(try path("auto", own) == "/state/sluice")
    #expect(try path("auto", own.merging(["STATE_DIRECTORY": "/var/lib/a:/var/lib/b"]) { $1 }) == "/var/lib/a")
    // What is no absolute path says nothing, and a service without a home keeps nothing.
    #expect(try path("auto", ["STATE_DIRECTORY": "a", "XDG_STATE_HOME": "", "HOME": "/h"]) == "/h/.local/state/sluice")
    #expect(try path("auto", [:]) == nil)
    #expect(try path("off", own) == nil)
    #expect(try path("/elsewhere", own) == "/elsewhere")
    #expect(try load("", environment: ["SLUICE_STATE_DIR": "off"]).configuration.stateDirectory == .off)
    #expect(mistakes("state_dir: elsewhere").count == 1)
  }

  @Test("secrets of sessions are a list, or a file beside the configuration, and are never shown")
  func secrets() throws {
    let (old, new) = (String(repeating: "o", count: 32), String(repeating: "n", count: 40))
    #expect(try load("sessions: {secret: \(old)}").configuration.sessions.secrets == [old])
    #expect(try load("sessions: {secret: [\(new), \(old)]}").configuration.sessions.secrets == [new, old])
    let variable = ["SLUICE_SESSIONS_SECRET": "\(new),\(old)", "SLUICE_SESSIONS_MAX_AGE": "2h"]
    #expect(try load("", environment: variable).configuration.sessions.secrets == [new, old])
    #expect(try load("", environment: variable).configuration.sessions.maximumAge == .seconds(7200))
    #expect(try load("sessions: {secret_file: /run/secret}").configuration.sessions.secretFile == "/run/secret")
    #expect(try load("sessions: {secret_file: auto}").configuration.sessions.secretFile == nil)
    let said = mistakes("sessions: {secret: [\(new), hunter2]}")
    #expect(said.count == 1 && !"\(said)".contains("hunter2") && !"\(said)".contains("nnn"))
    #expect(mistakes("sessions: {secret: \(old.dropLast())}").count == 1)
    #expect(mistakes("sessions: {secret: \"\(old) \(new)\"}").count == 1)
  }

  @Test("a flag wins over a variable, a variable over the file, the file over the default")
  func precedence() throws {
    let yaml = "listeners: {http: {port: 1001}}\nlimits: {depth: 50, body: 2MiB}"
    let environment = ["SLUICE_PORT": "1002", "SLUICE_LIMITS_DEPTH": "60"]
    let flag = ConfigurationInputs.Override(path: "listeners.http.port", flag: "--port", value: "1003")
    #expect(try load(yaml).configuration.listeners.http.port == 1001)
    #expect(try load(yaml, environment: environment).configuration.listeners.http.port == 1002)
    let loaded = try load(yaml, environment: environment, flags: [flag])
    #expect(loaded.configuration.listeners.http.port == 1003)
    #expect(loaded.configuration.limits.depth == 60)
    #expect(loaded.configuration.limits.body == 2 << 20)
    #expect(loaded.settings["listeners.http.port"] == SourcePosition(file: "--port"))
    #expect(loaded.settings["limits.depth"] == SourcePosition(file: "SLUICE_LIMITS_DEPTH"))
    #expect(loaded.settings["limits.body"] == SourcePosition(file: "sluice.yaml", line: 2, column: 27))
  }

  @Test("a misspelt key is a mistake with its place and what was meant")
  func misspelling() {
    let found = mistakes("listeners:\n  http:\n    prot: 80\n")
    #expect(found.count == 1)
    #expect(found[0].description.hasPrefix("sluice.yaml:3:5: error: unknown key `prot` in `listeners.http`"))
    #expect(found[0].suggestion == "port")
    #expect(mistakes("heartbeatInterval: 3s")[0].suggestion == "listeners.http.heartbeat_interval")
    #expect(mistakes("mcpServers: {}")[0].suggestion == "servers")
    #expect(mistakes("zzzz: 1")[0].expected?.contains("`drain_timeout`") == true)
  }

  @Test("all mistakes are told at once, each with its place")
  func allMistakes() {
    let found = mistakes(
      """
      listeners:
        http: {port: eighty, max_connections: 0}
      limits:
        head: 12 parsecs
        head_timeout: soon
      prefix: sometimes
      servers:
        Big: {command: x}
        both: {command: x, url: http://h/}
        none: {}
      """)
    let places = found.map { "\($0.position.line):\($0.position.column)" }
    #expect(places == ["2:16", "2:41", "4:9", "5:17", "6:9", "8:3", "9:22", "10:3"])
    #expect(found[0].expected == "a whole number from 0 to 65535")
    #expect(found[0].found == "`eighty`")
    #expect(found[5].suggestion == "big")
  }

  @Test("more header fields than a head has room for are refused, and the most is named")
  func headerFields() throws {
    #expect(try load("limits: {headers: 100}").configuration.limits.headers == 100)
    let found = mistakes("limits: {headers: 101}")
    #expect(found.map(\.found) == ["`101`"])
    #expect(found.map(\.expected) == ["a whole number from 8 to 100"])
  }

  @Test("the WebSocket listener is read, and has a port of its own")
  func webSocketListener() throws {
    let loaded = try load(
      """
      listeners:
        websocket: {port: 9, compression: false, compression_threshold: 2KiB, max_frame_size: 1KiB,
          strict_frame_size: true, max_message_size: 1MiB, ping_interval: 5s, pong_timeout: 2s, max_connections: 7}
      """)
    let listener = loaded.configuration.listeners.webSocket
    #expect((listener.port, listener.maxConnections, listener.compressionThreshold) == (9, 7, 2048))
    #expect((listener.maxFrameSize, listener.maxMessageSize) == (1024, 1 << 20))
    #expect((listener.compression, listener.strictFrameSize) == (false, true))
    #expect((listener.pingInterval, listener.pongTimeout) == (.seconds(5), .seconds(2)))
    #expect(loaded.diagnostics.isEmpty)
    #expect(
      mistakes("listeners: {websocket: {port: 4001}}").map(\.message)
        == ["`listeners.http` and `listeners.websocket` are both on port 4001"])
  }

  @Test("keys of planned features are checked and warn")
  func inactiveKeys() throws {
    let loaded = try load("rate_limiting: {default_limit: 5}")
    #expect(loaded.diagnostics.map(\.message) == ["`rate_limiting` is not active yet"])
    #expect(loaded.configuration.rateLimiting.defaultLimit == 5)
    #expect(mistakes("rate_limiting: {default_limit: 0}").count == 1)
    #expect(
      try load("routing: {replication: 3}").diagnostics.map(\.message) == ["`routing.replication` is not active yet"])
  }

  @Test("a repeated key is a mistake that names both lines")
  func repeatedKey() {
    let found = mistakes("limits:\n  head: 2KiB\n  body: 4MiB\n  head: 3KiB\n")
    #expect(found.count == 1)
    #expect(found[0].message == "`head` is given more than once in the same mapping, again in line 4")
    #expect(found[0].position.line == 2)
  }

  @Test("what is no YAML is told with the place where it breaks")
  func brokenYAML() {
    let found = mistakes("limits: {head: 1KiB\nprefix: never\n")
    #expect(found.count == 1)
    #expect(found[0].position.line == 2)
    #expect(found[0].message.hasPrefix("not valid YAML"))
  }

  @Test("variables are put into scalars of the file")
  func substitution() throws {
    let environment = ["PORT": "8123", "TOKEN": "s3cret", "EMPTY": ""]
    let configuration = try load(
      """
      listeners: {http: {port: "${PORT}", host: "${HOST:-localhost}"}}
      servers:
        a: {url: "https://h/${EMPTY:-path}", headers: {Authorization: "Bearer ${TOKEN}", X: "$${TOKEN} $5"}}
      """, environment: environment
    ).configuration
    #expect(configuration.listeners.http.port == 8123)
    #expect(configuration.listeners.http.host == "localhost")
    guard case .url(let remote) = configuration.servers[0].kind else { return #expect(Bool(false)) }
    #expect(remote.endpoints[0].url.target == "/path")
    #expect(remote.headers.map(\.value) == ["Bearer s3cret", "${TOKEN} $5"])
  }

  @Test("a variable that is not set, or no variable at all, is a mistake with its place")
  func missingVariable() {
    let found = mistakes("listeners:\n  http: {port: \"${PROT}\", host: '${a b}'}\n")
    #expect(found.map(\.position.column) == [16, 33])
    #expect(found[0].message == "the environment variable PROT is not set")
    #expect(found[1].message == "`${a b}` can't be substituted")
  }

  @Test("mistakes in variables and flags are named by them")
  func mistakesOutsideFiles() {
    let flag = ConfigurationInputs.Override(path: "workers", flag: "--workers", value: "many")
    #expect {
      try load("", environment: ["SLUICE_LOG_LEVEL": "loud"], flags: [flag])
    } throws: { error in
      let text = (error as? ConfigurationError)?.description ?? ""
      return text.contains("SLUICE_LOG_LEVEL: error: `log.level` has the wrong form")
        && text.contains("--workers: error: `workers` has the wrong form")
    }
  }

  @Test("a variable that Kubernetes sets for a service is passed over")
  func kubernetes() throws {
    let loaded = try load("", environment: ["SLUICE_PORT": "tcp://10.0.0.1:4001", "SLUICE_SERVICE_HOST": "10.0.0.1"])
    #expect(loaded.configuration.listeners.http.port == 4001)
    #expect(loaded.diagnostics.map(\.severity) == [.warning])
  }

  @Test("a misspelt variable is worth a warning")
  func misspeltVariable() throws {
    let loaded = try load(
      "",
      environment: ["SLUICE_PROT": "1", "SLUICE_INPUT_PORT": "x", "SLUICE_LIMIT_BODY": "1", "SLUICE_WHATSOEVER": "1"])
    #expect(loaded.diagnostics.map(\.suggestion) == ["SLUICE_LIMITS_BODY", "SLUICE_PORT", nil])
    #expect(loaded.diagnostics.map(\.severity) == [.warning, .warning, .warning])
    #expect(loaded.diagnostics[2].description.hasPrefix("SLUICE_WHATSOEVER: warning: no such variable"))
  }

  @Test("variables that Kubernetes sets for a service called sluice are passed over")
  func serviceVariables() throws {
    let names = ["SLUICE_SERVICE_PORT_HTTP", "SLUICE_PORT_4001_TCP_ADDR", "SLUICE_ADMIN_SERVICE_HOST"]
    let loaded = try load("", environment: Dictionary(uniqueKeysWithValues: names.map { ($0, "10.0.0.1") }))
    #expect(loaded.diagnostics.isEmpty)
  }

  @Test("a document that is no mapping says what it should be", arguments: ["- a\n", "words\n"])
  func rootForm(text: String) {
    let found = mistakes(text)
    #expect(found.count == 1)
    #expect(found[0].description.hasPrefix("sluice.yaml:1:1: error: the document has the wrong form"))
    #expect(found[0].expected?.contains("`listeners`") == true)
  }

  @Test("bytes that are not UTF-8 are shown with their place")
  func badBytes() {
    var inputs = ConfigurationInputs()
    inputs.file = "sluice.yaml"
    let files = ConfigurationFiles(
      read: { _ throws(ConfigurationFiles.FileFault) in Array("log:\n  # gr\u{fc}n ".utf8) + [0xFC, 0x0A] },
      kind: { _ in .file })
    #expect {
      try ConfigurationLoader.load(inputs, environment: [:], files: files)
    } throws: { error in
      let found = (error as? ConfigurationError)?.diagnostics ?? []
      return found.map(\.position) == [SourcePosition(file: "sluice.yaml", line: 2, column: 10)]
        && found[0].found == "the byte 0xFC"
    }
  }

  @Test("aliases that multiply are a mistake, at once")
  func aliasBomb() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...30 {
      let last = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(last)]\n"
    }
    #expect(mistakes(text).map(\.message) == ["more than 100,000 values, with what aliases stand for"])
  }

  @Test(
    "TLS that a variable asks for is a mistake, not passed over",
    arguments: ["HTTP_TLS", "WEBSOCKET_TLS_CERT", "ADMIN_TLS_CLIENT_AUTH"])
  func variablesOfTLS(key: String) {
    let name = "SLUICE_LISTENERS_\(key)"
    #expect {
      try load("", environment: [name: "server.pem"])
    } throws: { error in
      let diagnostics = (error as? ConfigurationError)?.diagnostics ?? []
      return diagnostics.map(\.position) == [SourcePosition(file: name)]
        && diagnostics[0].message == "certificates of a listener can't be given by a variable"
    }
  }

  @Test("a pipe is read once, a file again and again")
  func pipes() throws {
    let path = "/tmp/configuration-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try #require(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    #expect {
      try ConfigurationFiles.systemAgain.read(path)
    } throws: { error in
      (error as? ConfigurationFiles.FileFault)?.reason == "it is a pipe or terminal, which is read once"
    }
    #expect(try ConfigurationFiles.systemAgain.read("/dev/null").isEmpty)
  }

  @Test("a file that goes on without end is not read to it")
  func endlessFile() {
    #expect {
      try ConfigurationFiles.system.read("/dev/zero")
    } throws: { error in
      (error as? ConfigurationFiles.FileFault)?.reason == "it has more than 16MiB"
    }
  }

  @Test("memory is a size, or the machine's share")
  func memory() throws {
    #expect(try load("limits: {memory: 64MiB}").configuration.limits.memory == 64 << 20)
    #expect(try load("limits: {memory: auto}").configuration.limits.memory == nil)
    #expect(mistakes("limits: {memory: 1KiB}").count == 1)
  }

  @Test("lists in variables stand between commas")
  func listInVariable() throws {
    let loaded = try load("", environment: ["SLUICE_LISTENERS_HTTP_ALLOWED_HOSTS": "a.example, b.example"])
    #expect(loaded.configuration.listeners.http.allowedHosts == ["a.example", "b.example"])
  }

  @Test("limits that contradict each other are a mistake")
  func contradictions() {
    #expect(
      mistakes("limits: {write_low_water: 64KiB}").map(\.message)
        == ["`limits.write_low_water` (64KiB) must be below `limits.write_high_water` (64KiB, the default)"])
    #expect(
      mistakes("limits: {target: 3KiB, head: 2KiB}").map(\.message)
        == ["`limits.target` (3KiB) can't be larger than `limits.head` (2KiB)"])
    #expect(mistakes("listeners: {http: {port: 4003}}")[0].position.line == 1)
    let tooLong = mistakes("call_timeout: 1h30m")
    #expect(
      tooLong.map(\.message)
        == ["`call_timeout_ceiling` (10m, the default) can't be shorter than `call_timeout` (90m)"])
    #expect(tooLong[0].expected == "a `call_timeout_ceiling` beside it that fits")
    #expect(mistakes("call_timeout: 1h30m\ncall_timeout_ceiling: 2h").isEmpty)
  }

  @Test("a file that can't be read is told in the words of the system")
  func unreadableFile() {
    var inputs = ConfigurationInputs()
    inputs.clientFiles = ["nowhere.json"]
    #expect {
      try ConfigurationLoader.load(inputs, environment: ["SLUICE_CONFIG": "gone.yaml"], files: .inMemory([:]))
    } throws: { error in
      let lines = (error as? ConfigurationError)?.diagnostics.map(\.description)
      return lines == [
        "gone.yaml: error: the file that SLUICE_CONFIG names can't be read: No such file or directory",
        "nowhere.json: error: the file that --mcp-config names can't be read: No such file or directory",
      ]
    }
  }
}
