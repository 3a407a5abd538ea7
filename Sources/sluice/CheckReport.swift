import Configuration
import ConfigurationLoading
import ConfigurationSyntax
import FoundationEssentials
import Gateway

/// What would be served, for people and for programs. Holds no value of a header or variable: those are secrets.
struct CheckReport: Encodable {
  var ok = true
  var mcp: String?
  var websocket: String?
  var admin: String?
  var workers: Int?
  var prefix: String?
  var servers: [Upstream] = []
  var disabled: [Disabled] = []
  var settings: [Setting] = []
  var diagnostics: [Remark] = []

  struct Upstream: Encodable {
    var alias: String
    /// The name in the file, where it differs from the alias.
    var name: String?
    var transport: String
    /// The command line, or the URLs.
    var target: String
    var endpoints: [Endpoint]?
    /// `all` where each address of their names is an endpoint.
    var resolve: String?
    /// Endpoints of a command.
    var replicas: Int?
    /// How one of several endpoints is chosen, and what calls are kept together by.
    var algorithm: String
    var key: String
    var environment: [String]?
    var headers: [String]?
    /// What a child may take, of what is limited.
    var limits: [String]?
    var isolation: String
    var era: String
    var path: String
    var origin: String
  }

  struct Endpoint: Encodable {
    var url: String
    var weight: Int
  }

  struct Disabled: Encodable {
    var alias: String
    var origin: String
  }

  struct Setting: Encodable {
    var key: String
    var origin: String
  }

  struct Remark: Encodable {
    var severity: String
    var file: String
    var line: Int?
    var column: Int?
    var message: String
    var expected: String?
    var found: String?
    var suggestion: String?

    init(_ diagnostic: Diagnostic) {
      let position = diagnostic.position
      severity = diagnostic.severity.rawValue
      file = position.file
      line = position.line > 0 ? position.line : nil
      column = position.line > 0 ? position.column : nil
      message = diagnostic.message
      expected = diagnostic.expected
      found = diagnostic.found
      suggestion = diagnostic.suggestion
    }

    fileprivate var text: String {
      let place = line.map { "\(file):\($0):\(column ?? 0)" } ?? file
      return "\(place): \(severity): \(message)" + (suggestion.map { ", did you mean `\($0)`?" } ?? "")
    }
  }

  init(_ configuration: GatewayConfiguration) {
    let listeners = configuration.listeners
    func url(_ scheme: String, _ tls: GatewayConfiguration.Listeners.TLS?, _ host: String, _ port: Int) -> String {
      "\(scheme)\(tls == nil ? "" : "s")://\(Authority.text(host, port))"
    }
    mcp = url("http", listeners.http.tls, listeners.http.host, listeners.http.port) + "/mcp"
    websocket =
      url("ws", listeners.webSocket.tls, listeners.webSocket.host, listeners.webSocket.port) + "/mcp/ws"
    admin = url("http", listeners.admin.tls, listeners.admin.host, listeners.admin.port) + "/healthz"
    workers = configuration.workers
    prefix = configuration.prefix.rawValue
    servers = configuration.servers.map(Upstream.init)
  }

  /// A configuration that can't be served.
  init(mistakes: [Diagnostic]) {
    ok = false
    diagnostics = mistakes.map(Remark.init)
  }

  mutating func add(_ loaded: LoadedConfiguration) {
    disabled = loaded.disabled.map { Disabled(alias: $0.alias, origin: $0.position.description) }
    settings = loaded.settings.sorted { $0.key < $1.key }
      .map { Setting(key: $0.key, origin: $0.value.description) }
    diagnostics += loaded.diagnostics.map(Remark.init)
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  // MARK: Text

  var text: String {
    var lines = [
      "listeners", "  mcp        \(mcp ?? "")", "  websocket  \(websocket ?? "")", "  admin      \(admin ?? "")",
      "  workers    \(workers.map(String.init) ?? "auto")",
      "  prefix     \(prefix ?? "")",
    ]
    lines.append("servers")
    if servers.isEmpty { lines.append("  none: the built-in demonstration is served") }
    for server in servers { lines += server.lines }
    section("disabled", disabled.map { "\($0.alias) (\($0.origin))" }, into: &lines)
    section("settings that are not defaults", settings.map { "\($0.key) from \($0.origin)" }, into: &lines)
    section("warnings", diagnostics.filter { $0.severity != "note" }.map(\.text), into: &lines)
    section("notes", diagnostics.filter { $0.severity == "note" }.map(\.text), into: &lines)
    return lines.joined(separator: "\n")
  }

  private func section(_ title: String, _ items: [String], into lines: inout [String]) {
    guard !items.isEmpty else { return }
    lines.append(title)
    lines += items.map { "  \($0)" }
  }
}

extension CheckReport.Upstream {
  init(_ server: GatewayConfiguration.Server) {
    alias = server.alias
    name = server.displayName == server.alias ? nil : server.displayName
    algorithm = server.routing.algorithm.rawValue
    key = server.routing.key.description
    isolation = server.isolation.rawValue
    era = server.era.rawValue
    path = "/mcp/\(server.alias)"
    origin = server.position.description
    switch server.kind {
    case .command(let command):
      transport = "stdio"
      target = ([command.command] + SecretMask.masked(command.shownArguments)).joined(separator: " ")
      environment = command.environment.keys.sorted()
      replicas = server.replicas
      limits = server.childLimits.lines
    case .url(let remote):
      transport = remote.transport.rawValue
      target = remote.endpoints.map(\.shown).joined(separator: ", ")
      endpoints = remote.endpoints.map { CheckReport.Endpoint(url: $0.shown, weight: $0.weight) }
      headers = remote.headers.map(\.name)
      resolve = server.followsNames ? server.resolve.rawValue : nil
    }
  }

  /// The endpoints, where there are several.
  private var choice: String? {
    let shares = endpoints.map { $0.map { "\($0.weight)" }.joined(separator: ":") }
    let count = endpoints?.count ?? replicas ?? 1
    guard count > 1 || resolve != nil else { return nil }
    let keeping = algorithm == GatewayConfiguration.Routing.Algorithm.consistentHash.rawValue ? " by \(key)" : ""
    let what =
      resolve != nil
      ? count > 1 ? "\(count) names" : "addresses of the name" : "\(count)\(endpoints == nil ? " replicas" : "")"
    return "\(what), \(algorithm)\(keeping)"
      + (shares.map { ", weights \($0)" } ?? "")
  }

  fileprivate var lines: [String] {
    var lines = ["  \(alias)" + (name.map { "  (named \"\($0)\")" } ?? "")]
    lines.append("    \(transport): \(target)")
    if let environment, !environment.isEmpty { lines.append("    env: \(environment.joined(separator: ", "))") }
    if let headers, !headers.isEmpty { lines.append("    headers: \(headers.joined(separator: ", "))") }
    if let limits, !limits.isEmpty { lines.append("    limits: \(limits.joined(separator: ", "))") }
    if let choice { lines.append("    endpoints: \(choice)") }
    lines.append("    isolation \(isolation), era \(era), alone at \(path), from \(origin)")
    return lines
  }
}

extension GatewayConfiguration.ChildLimits {
  fileprivate var lines: [String] {
    [
      memory.map { "memory \(Quantity.describe(size: $0))" },
      milliCPUs.map { "cpu \(Quantity.describe(thousandths: $0))" }, descriptors.map { "descriptors \($0)" },
      processes.map { "processes \($0)" },
    ].compactMap { $0 }
  }
}
