import Configuration
import ConfigurationSyntax

/// The keys of `pool` and `routing`, for all servers and for one.
enum EndpointGrammar {
  private typealias Routing = GatewayConfiguration.Routing

  static var pool: [Field<GatewayConfiguration.Pool>] {
    [
      .integer("size", \.size, in: 1...100_000),
      .integer("overflow", \.overflow, in: 0...100_000),
      .choice("strategy", \.strategy),
      .duration("checkout_timeout", \.checkoutTimeout, in: .zero ... .seconds(3600)),
      .duration("idle_timeout", \.idleTimeout),
      .durationOrOff("max_age", \.maximumAge, in: .seconds(1) ... .seconds(366 * 86_400)),
      .integer("min_idle", \.minimumIdle, in: 0...100_000),
    ]
  }

  static var routing: [Field<GatewayConfiguration.Routing>] {
    [
      .choice("algorithm", \.algorithm),
      .integer("vnodes", \.virtualNodes, in: 1...10_000),
      .integer("replication", \.replication, in: 1...100).inactive,
      .value("key", \.key, expected: Routing.Key.form, parse: Routing.Key.init(reading:)),
      .integer("failover_threshold", \.failoverThreshold, in: 1...1000),
      .duration("health_check_interval", \.healthCheckInterval, in: .milliseconds(100) ... .seconds(86_400)),
      .duration("health_check_timeout", \.healthCheckTimeout, in: .milliseconds(10) ... .seconds(3600)),
      .duration("restart_grace", \.restartGrace, in: .zero ... .seconds(3600)),
      .section("breaker", \.breaker, breaker),
      .section("outliers", \.outliers, outliers),
      .section("retry", \.retry, retry),
    ]
  }

  private static var breaker: [Field<Routing.Breaker>] {
    [
      .integer("failure_rate", \.failureRate, in: 0...100),
      .duration("window", \.window, in: .seconds(1) ... .seconds(3600)),
      .integer("minimum_calls", \.minimumCalls, in: 1...1_000_000),
      .duration("open_time", \.openTime, in: .milliseconds(10) ... .seconds(3600)),
      .duration("open_time_max", \.openTimeMaximum, in: .milliseconds(10) ... .seconds(86_400)),
      .flag("tool_errors", \.toolErrors),
      .flag("per_tool", \.perTool),
    ]
  }

  private static var outliers: [Field<Routing.Outliers>] {
    [
      .integer("max_ejected", \.maximumEjected, in: 0...100),
      .duration("ejection_time", \.ejectionTime, in: .milliseconds(10) ... .seconds(86_400)),
      .duration("ejection_time_max", \.ejectionTimeMaximum, in: .milliseconds(10) ... .seconds(86_400)),
      .duration("slow_start", \.slowStart, in: .zero ... .seconds(3600)),
    ]
  }

  private static var retry: [Field<Routing.Retry>] {
    [
      .integer("attempts", \.attempts, in: 1...10),
      .integer("budget", \.budget, in: 0...100),
      .duration("backoff", \.backoff, in: .zero ... .seconds(60)),
      .duration("backoff_max", \.backoffMaximum, in: .zero ... .seconds(3600)),
      .flag("hedge_reads", \.hedgeReads),
    ]
  }
}

extension GatewayConfiguration.Routing.Key {
  fileprivate static let form = "`session`, `client`, `principal`, `header:NAME` or `argument:NAME`"
  private static let words: [(String, Self)] = [
    ("session", .session), ("client", .client), ("principal", .principal),
  ]

  fileprivate init?(reading text: String) throws(Unfit) {
    if let word = Self.words.first(where: { $0.0 == text }) {
      self = word.1
      return
    }
    guard let colon = text.firstIndex(of: ":") else {
      if text == "header" || text == "argument" {
        throw Unfit("it does not say which \(text)", suggestion: "\(text):\(text == "header" ? "x-tenant" : "project")")
      }
      let near = Suggestion.nearest(to: text, among: Self.words.map(\.0) + ["header", "argument"])
      throw Unfit("there is no key `\(text)`", suggestion: near)
    }
    let kind = text[..<colon]
    let name = String(text[text.index(after: colon)...])
    switch kind {
    case "header": self = .header(try Self.header(name))
    case "argument": self = .argument(try Self.argument(name))
    default:
      let near = Suggestion.nearest(to: String(kind), among: ["header", "argument"]).map { "\($0):\(name)" }
      throw Unfit("`\(kind)` is nothing that has a name", suggestion: near)
    }
  }

  private static func header(_ name: String) throws(Unfit) -> String {
    let trimmed = HeaderForm.trimmed(name)
    guard HeaderForm.isName(name) else {
      throw Unfit(
        name.isEmpty ? "it does not say which header" : "`\(name)` can't be the name of a header",
        suggestion: name.isEmpty ? "header:x-tenant" : HeaderForm.isName(trimmed) ? "header:\(trimmed)" : nil)
    }
    let lower = name.lowercased()
    if lower == "mcp-session-id" { throw Unfit("the id of a session is its key already", suggestion: "session") }
    return lower
  }

  private static func argument(_ name: String) throws(Unfit) -> String {
    guard !name.isEmpty else { throw Unfit("it does not say which argument", suggestion: "argument:project") }
    guard name == HeaderForm.trimmed(name) else {
      throw Unfit(
        "there is a blank around the name of the argument", suggestion: "argument:\(HeaderForm.trimmed(name))")
    }
    return name
  }
}
