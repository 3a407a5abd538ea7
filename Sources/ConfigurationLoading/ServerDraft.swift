import Configuration
import ConfigurationSyntax

/// A server while it is read: every value with its place, nothing yet checked against anything else.
struct ServerDraft {
  var alias = ""
  var displayName = ""
  /// What it goes by where another server has its alias; nil: then that is a mistake.
  var spareAlias: String?
  /// Members of a client's file that mean nothing here.
  var unknown: [String] = []
  var position = SourcePosition(file: "")
  /// The directory that relative paths of this server start from; empty: the gateway's own.
  var directory = ""
  /// Where each key stands, by its name in the YAML file.
  var places: [String: SourcePosition] = [:]
  var isDisabled = false

  var command: Located<String>?
  var arguments: [Located<String>] = []
  var environment: [(name: Located<String>, value: Located<String>)] = []
  var environmentFile: Located<String>?
  var workingDirectory: Located<String>?

  var url: Located<String>?
  /// What the name of the member says that the URL is of, in a client's file that says no more.
  var urlTransport: GatewayConfiguration.Remote.Transport?
  /// How sure it is that `url` is what is meant, of several members that may hold it.
  var urlRank = 0
  var endpoints: [(url: Located<String>, weight: Int)] = []
  var headers: [(name: Located<String>, value: Located<String>)] = []
  var transport: TransportName?
  var tls: UpstreamTLSDraft?

  var isolation: GatewayConfiguration.Server.Isolation?
  var era = GatewayConfiguration.Server.Era.automatic

  var pool: SectionOverride<GatewayConfiguration.Pool>?
  var routing: SectionOverride<GatewayConfiguration.Routing>?
  var replicas = 1
  var resolve = GatewayConfiguration.Server.Resolve.first
  var trustHints = false
  var restarts = GatewayConfiguration.Restarts()
  var idleStop: Duration?
  var childLimits = GatewayConfiguration.ChildLimits()

  /// What a file may say under `type`.
  enum TransportName: Equatable {
    case stdio
    case remote(GatewayConfiguration.Remote.Transport)

    static let choices = ["stdio", "http", "streamable-http", "sse", "ws"]

    /// The spellings of Sluice and of the clients whose files are taken unchanged.
    init?(spelling: String) {
      switch spelling.lowercased() {
      case "stdio", "local": self = .stdio
      case "http", "streamable-http", "streamablehttp", "streamable_http": self = .remote(.http)
      case "sse": self = .remote(.sse)
      case "ws", "websocket": self = .remote(.webSocket)
      case "auto": self = .remote(.automatic)
      default: return nil
      }
    }
  }

  /// The keys of a server in the YAML file.
  static var fields: [Field<ServerDraft>] {
    [
      .text("command", \.command),
      .custom("args") { node, draft, reading in draft.arguments = reading.arguments(node) },
      .custom("env") { node, draft, reading in draft.environment = reading.dictionary(node) },
      .text("env_file", \.environmentFile),
      .text("cwd", \.workingDirectory),
      .text("url", \.url),
      .custom("endpoints", members: [KeyOutline(name: "[]", members: EndpointDraft.fields.map(\.outline))]) {
        node, draft, reading in
        draft.endpoints = reading.endpoints(node)
      },
      .custom("headers") { node, draft, reading in draft.headers = reading.dictionary(node) },
      .value(
        "type", \.transport, expected: "one of \(Reading.list(TransportName.choices))", choices: TransportName.choices
      ) { text in TransportName(spelling: text).map { .some($0) } },
      .section("tls", \.tlsOrEmpty, UpstreamTLSDraft.fields),
      .choice("isolation", \.isolation),
      .choice("era", \.era),
      .custom("pool", members: EndpointGrammar.pool.map(\.outline)) { node, draft, reading in
        draft.pool = SectionOverride(node, EndpointGrammar.pool, over: .init(), &reading)
      },
      .custom("routing", members: EndpointGrammar.routing.map(\.outline)) { node, draft, reading in
        draft.routing = SectionOverride(node, EndpointGrammar.routing, over: .init(), &reading)
      },
      .integer("replicas", \.replicas, in: 1...1000),
      .choice("resolve", \.resolve),
      .flag("trust_hints", \.trustHints),
      .section("restarts", \.restarts, restarts),
      .durationOrOff("idle_stop", \.idleStop, in: .seconds(1) ... .seconds(366 * 86_400)),
      .section("limits", \.childLimits, childLimits),
      .flag("disabled", \.isDisabled),
    ]
  }

  private static var restarts: [Field<GatewayConfiguration.Restarts>] {
    [
      .integer("limit", \.limit, in: 0...1000),
      .duration("window", \.window, in: .seconds(1) ... .seconds(86_400)),
    ]
  }

  private static var childLimits: [Field<GatewayConfiguration.ChildLimits>] {
    func count(
      _ name: String, _ target: WritableKeyPath<GatewayConfiguration.ChildLimits, Int?>, _ range: ClosedRange<Int>
    ) -> Field<GatewayConfiguration.ChildLimits> {
      .orOff(name, target, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
        Quantity.whole(text[...]).flatMap { range.contains($0) ? $0 : nil }
      }
    }
    return [
      .orOff("memory", \.memory, expected: "\(Quantity.sizeForm), at least 1MiB") { text in
        Quantity.size(text).flatMap { (1 << 20...1 << 40).contains($0) ? $0 : nil }
      },
      .orOff("cpu", \.milliCPUs, expected: "a number of CPUs from 0.01 to 1024, such as `0.5` or `2`") { text in
        Quantity.thousandths(text).flatMap { (10...1_024_000).contains($0) ? $0 : nil }
      },
      count("descriptors", \.descriptors, 16...1_000_000_000),
      count("processes", \.processes, 1...4_194_304),
    ]
  }

  private var tlsOrEmpty: UpstreamTLSDraft {
    get { tls ?? UpstreamTLSDraft() }
    set { tls = newValue }
  }
}

struct UpstreamTLSDraft {
  var ca: Located<String>?
  var certificate: Located<String>?
  var key: Located<String>?
  var verify = true

  static var fields: [Field<UpstreamTLSDraft>] {
    [.text("ca", \.ca), .text("cert", \.certificate), .text("key", \.key), .flag("verify", \.verify)]
  }
}

struct EndpointDraft {
  var url: Located<String>?
  var weight = 1

  static var fields: [Field<EndpointDraft>] {
    [.text("url", \.url), .integer("weight", \.weight, in: 1...1000)]
  }
}

extension Reading {
  /// The `servers` of the YAML file.
  mutating func servers(_ node: SourceNode) -> [ServerDraft] {
    guard case .mapping(let entries) = node.content else {
      mismatch(node, expected: "a mapping of aliases to servers")
      return []
    }
    var drafts: [ServerDraft] = []
    for entry in entries {
      path.append(entry.key)
      defer { path.removeLast() }
      if !Alias.isWellFormed(entry.key) {
        report(
          at: entry.keyPosition, "`\(entry.key)` can't be an alias", expected: Alias.form,
          suggestion: Alias.slug(entry.key))
        continue
      }
      guard case .mapping(let keys) = entry.value.content else {
        mismatch(entry.value, expected: "a mapping with `command` or `url`")
        continue
      }
      var draft = ServerDraft()
      draft.alias = entry.key
      draft.displayName = entry.key
      draft.position = entry.keyPosition
      draft.directory = directory
      for key in keys { draft.places[key.key] = key.keyPosition }
      // A server that is turned off may refer to variables that nobody sets.
      let usual = substitution.syntax
      if keys.contains(where: { $0.key == "disabled" && $0.value.isTrue }) { substitution.syntax = .verbatim }
      mapping(entry.value, fields: ServerDraft.fields, into: &draft)
      substitution.syntax = usual
      drafts.append(draft)
    }
    return drafts
  }

  mutating func arguments(_ node: SourceNode) -> [Located<String>] {
    guard case .sequence(let items) = node.content else {
      mismatch(node, expected: "a list of strings, one for each argument")
      return []
    }
    return items.compactMap { text($0) }
  }

  fileprivate mutating func endpoints(_ node: SourceNode) -> [(url: Located<String>, weight: Int)] {
    guard case .sequence(let items) = node.content else {
      mismatch(node, expected: "a list of endpoints, each with `url` and perhaps `weight`")
      return []
    }
    var result: [(url: Located<String>, weight: Int)] = []
    for item in items {
      if case .scalar = item.content {
        if let url = text(item) { result.append((url, 1)) }
        continue
      }
      var draft = EndpointDraft()
      mapping(item, fields: EndpointDraft.fields, into: &draft)
      if let url = draft.url {
        result.append((url, draft.weight))
      } else if case .mapping(let entries) = item.content, !entries.contains(where: { $0.key == "url" }) {
        report(at: item.position, "an endpoint of `\(path.dropLast().joined(separator: "."))` has no `url`")
      }
    }
    return result
  }
}

extension SourceNode {
  var isTrue: Bool {
    if case .scalar("true") = content { true } else { false }
  }

  var isFalse: Bool {
    if case .scalar("false") = content { true } else { false }
  }
}
