import Configuration
import ConfigurationSyntax

/// Two settings that are well-formed each and don't go together, of which one may be a default that nobody sees in the file.
struct Clash {
  var severity = Diagnostic.Severity.error
  var key: String
  var value: String
  var relation: String
  var other: String
  var otherValue: String
  /// What comes of it, where it is not refused.
  var consequence: String?

  /// - Parameters:
  ///   - settings: where each setting that is not a default came from.
  ///   - server: the path of a server whose own sections go before the general ones.
  func remark(_ settings: [String: SourcePosition], of server: String? = nil) -> Remark {
    func path(_ key: String) -> String {
      guard let own = server.map({ "\($0).\(key)" }), settings[own] != nil else { return key }
      return own
    }
    func named(_ key: String, _ value: String) -> String {
      "`\(key)` (\(value)\(settings[key] == nil ? ", the default" : ""))"
    }
    let keys = [path(key), path(other)]
    let complaint =
      "\(named(keys[0], value)) \(relation) \(named(keys[1], otherValue))" + (consequence.map { ": \($0)" } ?? "")
    let unset = keys.first { settings[$0] == nil }
    return Remark(
      severity, keys, complaint,
      expected: severity == .error ? unset.map { "a `\($0)` beside it that fits" } : nil)
  }

  /// Whether a server's own sections have a part in it.
  func concerns(_ server: String, _ settings: [String: SourcePosition]) -> Bool {
    settings["\(server).\(key)"] != nil || settings["\(server).\(other)"] != nil
  }

  /// Whether somebody wrote the setting that is to blame.
  func isSet(_ settings: [String: SourcePosition], of server: String?) -> Bool {
    settings[key] != nil || server.map { settings["\($0).\(key)"] != nil } ?? false
  }

  /// Two durations, of which the first may not be longer than the second.
  fileprivate static func longer(_ key: String, _ value: Duration, _ other: String, _ otherValue: Duration) -> Clash? {
    guard value > otherValue else { return nil }
    return Clash(
      key: key, value: Quantity.describe(value), relation: "can't be longer than", other: other,
      otherValue: Quantity.describe(otherValue))
  }
}

extension GatewayConfiguration {
  /// What does not go together, but for servers, `pool` and `routing`.
  var clashes: [Clash] {
    var clashes: [Clash] = []
    if limits.writeLowWater >= limits.writeHighWater {
      clashes.append(
        Clash(
          key: "limits.write_low_water", value: Quantity.describe(size: limits.writeLowWater),
          relation: "must be below",
          other: "limits.write_high_water", otherValue: Quantity.describe(size: limits.writeHighWater)))
    }
    if limits.target > limits.head {
      clashes.append(
        Clash(
          key: "limits.target", value: Quantity.describe(size: limits.target), relation: "can't be larger than",
          other: "limits.head", otherValue: Quantity.describe(size: limits.head)))
    }
    if callTimeoutCeiling < callTimeout {
      clashes.append(
        Clash(
          key: "call_timeout_ceiling", value: Quantity.describe(callTimeoutCeiling), relation: "can't be shorter than",
          other: "call_timeout", otherValue: Quantity.describe(callTimeout)))
    }
    return clashes
  }

  /// What does not go together in `pool` and `routing`, the general ones or those of one server.
  func clashes(_ pool: Pool, _ routing: Routing) -> [Clash] {
    clashes(of: pool) + routing.clashes
  }

  private func clashes(of pool: Pool) -> [Clash] {
    var clashes: [Clash] = []
    if pool.minimumIdle > pool.size {
      clashes.append(
        Clash(
          key: "pool.min_idle", value: "\(pool.minimumIdle)", relation: "can't be more than", other: "pool.size",
          otherValue: "\(pool.size)"))
    }
    if pool.checkoutTimeout > callTimeout {
      clashes.append(
        Clash(
          severity: .warning, key: "pool.checkout_timeout", value: Quantity.describe(pool.checkoutTimeout),
          relation: "is longer than", other: "call_timeout", otherValue: Quantity.describe(callTimeout),
          consequence: "a call ends before it has waited that long for a connection"))
    }
    return clashes
  }
}

extension GatewayConfiguration.Routing {
  fileprivate var clashes: [Clash] {
    let breaker = "routing.breaker"
    let outliers = "routing.outliers"
    let retry = "routing.retry"
    return [
      Clash.longer(
        "\(breaker).open_time", self.breaker.openTime, "\(breaker).open_time_max", self.breaker.openTimeMaximum),
      Clash.longer(
        "\(outliers).ejection_time", self.outliers.ejectionTime, "\(outliers).ejection_time_max",
        self.outliers.ejectionTimeMaximum),
      Clash.longer("\(retry).backoff", self.retry.backoff, "\(retry).backoff_max", self.retry.backoffMaximum),
      slowCheck,
    ].compactMap { $0 }
  }

  /// A check that is due ends the one before.
  private var slowCheck: Clash? {
    guard healthCheckTimeout > healthCheckInterval else { return nil }
    return Clash(
      severity: .warning, key: "routing.health_check_timeout", value: Quantity.describe(healthCheckTimeout),
      relation: "is longer than", other: "routing.health_check_interval",
      otherValue: Quantity.describe(healthCheckInterval),
      consequence: "a check ends when the next one is due")
  }

  /// As it is carried out.
  var settled: Self {
    var settled = self
    settled.healthCheckTimeout = min(healthCheckTimeout, healthCheckInterval)
    return settled
  }
}
