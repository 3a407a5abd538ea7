import Configuration
import ConfigurationSyntax

/// What there is to say about settings that are well-formed each.
struct Remark {
  var severity: Diagnostic.Severity
  /// The keys that it comes from, the one to blame first.
  var keys: [String]
  var message: String
  /// What to do about it.
  var expected: String?

  init(_ severity: Diagnostic.Severity, _ keys: [String], _ message: String, expected: String? = nil) {
    self.severity = severity
    self.keys = keys
    self.message = message
    self.expected = expected
  }
}

extension GatewayConfiguration {
  /// Whom the gateway believes: nobody where somebody is needed, or anybody.
  var trustRemarks: [Remark] {
    proxyProtocolRemarks
      + trustedProxies.flatMap(\.networks).filter(\.isAnybody).map { network in
        Remark(
          .warning, ["trusted_proxies"],
          "`trusted_proxies` has \(network): whoever comes from there can pass for any client, and has no limit of connections",
          expected: "the addresses of your proxies alone")
      } + browserRemarks
  }

  private var proxyProtocolRemarks: [Remark] {
    let all = [
      ("http", listeners.http.proxyProtocol, listeners.http.host),
      ("websocket", listeners.webSocket.proxyProtocol, listeners.webSocket.host),
    ]
    return all.filter(\.1).compactMap { name, _, host in
      let keys = ["listeners.\(name).proxy_protocol", "trusted_proxies"]
      if trustedProxies.isEmpty {
        return Remark(
          .error, keys,
          "`listeners.\(name).proxy_protocol` takes connections from `trusted_proxies` alone, and there are none: "
            + "everybody would be refused",
          expected: "the addresses of your proxies in `trusted_proxies`, or `proxy_protocol: false`")
      }
      guard !HostForm.isLoopback(host), trustedProxies.flatMap(\.networks).allSatisfy(\.isLoopback) else { return nil }
      return Remark(
        .warning, keys,
        "`listeners.\(name)` listens beyond this machine (host \(host)), but `proxy_protocol` takes connections from "
          + "`trusted_proxies` alone, and those are all on this machine: others are refused",
        expected: "the addresses of your proxies in `trusted_proxies`, or a `host` such as 127.0.0.1")
    }
  }

  private var browserRemarks: [Remark] {
    var remarks: [Remark] = []
    if listeners.http.allowedOrigins.contains("*") {
      remarks.append(
        Remark(
          .warning, ["listeners.http.allowed_origins"],
          "`listeners.http.allowed_origins` takes any page: whatever site somebody visits whose browser reaches this "
            + "gateway can use every server",
          expected: "the origins of your own pages, such as `https://app.example`"))
    }
    if listeners.http.allowedHosts.contains("*") {
      remarks.append(
        Remark(
          .warning, ["listeners.http.allowed_hosts"],
          "`listeners.http.allowed_hosts` takes any name: a page whose own name leads here (DNS rebinding) can use every "
            + "server",
          expected: "the names that clients call the gateway by"))
    }
    return remarks
  }

  /// Paths that are well-formed, and lead to what can't be meant.
  func pathRemarks(_ files: ConfigurationFiles) -> [Remark] {
    takeoverRemarks(files) + stateRemarks(files)
  }

  private func takeoverRemarks(_ files: ConfigurationFiles) -> [Remark] {
    guard let path = takeoverSocket else { return [] }
    let key = ["takeover_socket"]
    switch files.kind(path) {
    case .directory:
      return [
        Remark(
          .error, key, "`takeover_socket` is the path of a directory, \(path)",
          expected: "the path of a socket in it, such as \(FilePath.resolve("sluice.sock", from: path, home: nil))")
      ]
    case .file, .other:
      return [
        Remark(
          .warning, key,
          "`takeover_socket`: at \(path) is something else than a socket, which is left alone: no other "
            + "process could take over",
          expected: "a path where nothing is yet")
      ]
    case .socket: return []
    case nil:
      let directory = FilePath.directory(of: path)
      guard files.kind(directory) != .directory else { return [] }
      return [
        Remark(
          .warning, key,
          "`takeover_socket`: there is no directory \(directory), so that no other process could take over",
          expected: "a directory that is there when the gateway starts")
      ]
    }
  }

  /// What is not there yet is made, so that the next thing on the way up must be a directory.
  private func stateRemarks(_ files: ConfigurationFiles) -> [Remark] {
    guard case .path(let directory) = stateDirectory else { return [] }
    var path = directory
    while files.kind(path) == nil, path != "/" { path = FilePath.directory(of: path) }
    guard let kind = files.kind(path), kind != .directory else { return [] }
    return [
      Remark(
        .error, ["state_dir"], "`state_dir` leads to \(path), which is no directory",
        expected: "the path of a directory")
    ]
  }
}
