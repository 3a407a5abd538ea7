import Testing

@testable import Configuration
@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite("Settings that are well-formed and can't be meant")
struct RemarkTests {
  /// What is said of a file, and whether it may be served.
  private func said(
    _ yaml: String, files: [String: String] = [:], sockets: Set<String> = [], environment: [String: String] = [:]
  ) -> [Diagnostic] {
    var inputs = ConfigurationInputs()
    inputs.file = "sluice.yaml"
    let files = ConfigurationFiles.inMemory(files.merging(["sluice.yaml": yaml]) { $1 }, sockets: sockets)
    do throws(ConfigurationError) {
      return try ConfigurationLoader.load(inputs, environment: environment, files: files).diagnostics
    } catch {
      return error.diagnostics
    }
  }

  // MARK: Proxies

  @Test("nobody could connect where only proxies may and there are none", arguments: ["http", "websocket"])
  func noProxies(listener: String) {
    let protocolOn = "listeners: {\(listener): {proxy_protocol: true}}"
    let found = said("trusted_proxies: []\n\(protocolOn)")
    #expect(found.count == 1 && found[0].severity == .error)
    #expect(found[0].message.contains("everybody would be refused"))
    #expect(found[0].expected?.contains("`proxy_protocol: false`") == true)
    #expect(found[0].position.line == 2)
    #expect(said("trusted_proxies: [192.0.2.1]\n\(protocolOn)").isEmpty)
    #expect(said("trusted_proxies: []").isEmpty)
  }

  @Test("a listener beyond this machine of which all proxies are on it is worth a word")
  func nearProxies() {
    func remarks(_ host: String, _ proxies: String) -> [Diagnostic] {
      said(
        "allow_unauthenticated: true\ntrusted_proxies: \(proxies)\n"
          + "listeners: {http: {proxy_protocol: true, host: \"\(host)\"}}"
      ).filter { $0.message.contains("all on this machine") }
    }
    #expect(remarks("0.0.0.0", "[loopback]").map(\.severity) == [.warning])
    #expect(remarks("0.0.0.0", "[127.0.0.1, \"::1\"]").count == 1)
    #expect(remarks("0.0.0.0", "[loopback, 10.0.0.1]").isEmpty)
    #expect(remarks("127.0.0.1", "[loopback]").isEmpty)
  }

  @Test(
    "who believes anybody is warned",
    arguments: [
      "0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/7", "::ffff:0:0/96", "::/80", "2000::/3", "2002::/15",
    ])
  func anybody(network: String) {
    let found = said("trusted_proxies: [loopback, \"\(network)\"]")
    #expect(found.map(\.severity) == [.warning])
    #expect(found[0].message.contains("whoever comes from there can pass for any client"))
    #expect(found[0].position.line == 1)
  }

  @Test(
    "who believes a network of his own is not",
    arguments: [
      "10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "192.168.0.0/16", "fc00::/7", "fd00::/8", "fe80::/10", "2001:db8::/32",
      "::ffff:10.0.0.0/104", "64:ff9b::/96",
    ])
  func own(network: String) {
    #expect(said("trusted_proxies: [\"\(network)\"]").isEmpty)
  }

  @Test(
    "a network with bits beyond those that count is a mistake, with the one that was probably meant",
    arguments: [
      ("10.1.2.3/8", "10.0.0.0/8"), ("192.168.1.77/24", "192.168.1.0/24"), ("2001:db8::7/32", "2001:db8::/32"),
      ("FE80::1/10", "fe80::/10"), ("::ffff:10.1.2.3/104", "10.0.0.0/8"), ("::ffff:10.0.0.0/8", "10.0.0.0/8"),
      ("1:2:3:4:5:6:7:9/127", "1:2:3:4:5:6:7:8/127"),
      // Nobody is led to trust everybody.
      ("10.0.0.0/1", nil), ("10.1.2.3/0", nil), ("::ffff:10.1.2.3/64", nil), ("::1/0", nil),
    ])
  func hostBits(text: String, meant: String?) {
    let found = said("trusted_proxies: [\"\(text)\"]")
    #expect(found.map(\.severity) == [.error])
    #expect(found.first?.suggestion == meant)
  }

  @Test(
    "what is no network says why",
    arguments: [
      ("", "it is empty"), ("10.0.0.0/33", "from 0 to 32"), ("10.0.0.0/", "from 0 to 32"), ("::/129", "from 0 to 128"),
      ("10.0.0.256", "from 0 to 255"), ("010.0.0.1", "without zeros in front"), ("nginx", "names are not looked up"),
      ("[::1]", "without brackets and port"), ("fe80::1%eth0", "a zone"), ("10.0.0.1:80", "without a port"),
    ])
  func noNetworks(text: String, why: String) {
    let found = said("trusted_proxies: [\"\(text)\"]")
    #expect(found.count == 1 && found[0].severity == .error)
    #expect(found[0].message.contains(why) && found[0].expected == IPNetwork.form)
  }

  @Test(
    "a network is written as it is read", arguments: ["10.0.0.0/8", "192.0.2.1", "::/0", "2001:db8:0:1::/64", "::1"])
  func writing(text: String) {
    #expect(IPNetwork(parsing: text)?.description == text)
  }

  // MARK: Browsers

  @Test("who takes any page or any name is warned")
  func wildcards() {
    for (key, word) in [("allowed_origins", "any page"), ("allowed_hosts", "DNS rebinding")] {
      let found = said("listeners: {http: {\(key): [\"*\"]}}")
      #expect(found.map(\.severity) == [.warning])
      #expect(found[0].message.contains(word))
    }
  }

  // MARK: Paths

  @Test(
    "a path that can be no socket's says why",
    arguments: [
      ("/", "path of a directory"), ("/run/", "path of a directory"), ("/run/..", "path of a directory"),
      ("sluice.sock", "not absolute"), ("", "not absolute"), ("/\(String(repeating: "x", count: 96))", "has 97 bytes"),
      ("/a\\0b", "NUL"),
    ])
  func noSockets(path: String, why: String) {
    let found = said("takeover_socket: \"\(path)\"")
    #expect(found.count == 1 && found[0].severity == .error)
    #expect(found[0].message.contains(why))
  }

  @Test("a socket can't be where a directory is, and hardly where there is something else or no directory")
  func sockets() {
    func socket(_ path: String) -> [Diagnostic] {
      said("takeover_socket: \(path)", files: ["/run/sluice/notes": ""], sockets: ["/run/sluice/live.sock"])
    }
    #expect(socket("/run/sluice").map(\.severity) == [.error])
    #expect(socket("/run/sluice")[0].expected?.contains("/run/sluice/sluice.sock") == true)
    #expect(socket("/run/sluice/notes").map(\.severity) == [.warning])
    #expect(socket("/run/sluice/notes/x.sock").map(\.severity) == [.warning])
    #expect(socket("/nowhere/x.sock").first?.message.contains("there is no directory /nowhere") == true)
    #expect(socket("/run/sluice/new.sock").isEmpty && socket("/run/sluice/live.sock").isEmpty)
    #expect(socket("auto").isEmpty)
  }

  @Test("what is kept goes into a directory")
  func stateDirectory() {
    func state(_ path: String) -> [Diagnostic] { said("state_dir: \(path)", files: ["/var/lib/notes": ""]) }
    #expect(state("/var/lib/notes").map(\.severity) == [.error])
    #expect(state("/var/lib/notes/deep/er")[0].message == "`state_dir` leads to /var/lib/notes, which is no directory")
    #expect(state("/var/lib/new/er").isEmpty && state("/var/lib").isEmpty && state("off").isEmpty)
    #expect(state("lib")[0].message.contains("not absolute"))
  }

  @Test("a directory is no certificate")
  func certificates() {
    let files = ["/pki/a.pem": "", "/pki/a.key": ""]
    let found = said("listeners: {http: {tls: {cert: /pki, key: /pki/a.key}}}", files: files)
    #expect(found.map(\.message) == ["/pki is a directory, not a file"])
    let upstream = said("servers: {a: {url: https://h.example, tls: {ca: /pki}}}", files: files)
    #expect(upstream.map(\.message) == ["/pki is a directory, not a file"])
  }

  @Test("a server starts in a directory, and a directory is no command")
  func commands() throws {
    let files = ConfigurationFiles.inMemory(["/srv/data/x": "", "/bin/run": ""])
    func missing(_ server: String) throws -> [String] {
      let configuration = try load("servers: {a: \(server)}").configuration
      return CommandLookup.missing(in: configuration, environment: [:], files: files) { _ in true }.map(\.message)
    }
    #expect(try missing("{command: /bin/run, cwd: /srv/data}").isEmpty)
    #expect(
      try missing("{command: /bin/run, cwd: /srv/none}") == ["there is no directory /srv/none for `a` to start in"])
    #expect(try missing("{command: /bin/run, cwd: /srv/data/x}").count == 1)
    #expect(try missing("{command: /srv/data}") == ["the command `/srv/data` of `a` is not there"])
  }
}
