import ConfigurationSyntax

/// A listener that anybody beyond this machine may use without saying who they are.
public struct Exposure: Sendable, Equatable {
  /// The name of its section: `http`, `websocket` or `admin`.
  public var listener: String
  /// Where it listens, as the configuration has it.
  public var host: String

  /// What to do about it.
  public static let remedy =
    "`tls` with `client_auth: required` for it; or an address of this machine alone, such as 127.0.0.1, behind a proxy "
    + "that knows its clients; or `allow_unauthenticated: true` (SLUICE_ALLOW_UNAUTHENTICATED=true, "
    + "--allow-unauthenticated) if whoever can reach it may use it"

  public var refusal: String {
    "`listeners.\(listener)` would serve others than this machine (\(host)) without asking who they are"
  }

  public var warning: String {
    let what = listener == "admin" ? "ask it for health and metrics" : "use every server"
    return "`listeners.\(listener)` serves others than this machine (\(host)) without asking who they are: "
      + "whoever can reach it can \(what)"
  }
}

extension GatewayConfiguration.Listeners {
  /// Listeners beyond this machine that let in who shows no certificate.
  /// - Parameter bound: those with a socket beyond loopback, whatever their `host` says: a service manager or a
  ///   predecessor made it.
  public func exposures(bound: Set<String> = []) -> [Exposure] {
    let all = [
      ("http", http.host, http.tls), ("websocket", webSocket.host, webSocket.tls), ("admin", admin.host, admin.tls),
    ]
    return all.compactMap { name, host, tls in
      guard tls?.clientAuthentication != .required else { return nil }
      if bound.contains(name) {
        let isOther = HostForm.isLoopback(host)
        return Exposure(listener: name, host: isOther ? "the socket that it was given" : "host \(host)")
      }
      return HostForm.isLoopback(host) ? nil : Exposure(listener: name, host: "host \(host)")
    }
  }
}
