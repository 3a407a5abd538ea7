import Configuration
import ConfigurationSyntax

extension ServerDraft {
  /// Checks the values against one another and makes the server of them; nil after the mistakes were collected.
  /// - Parameter tellsClientsApart: whether clients have names. Where they do, none of them shares a child with another
  ///   unless the configuration says so: whose call it is that a child speaks of can't always be told.
  func freeze(
    files: ConfigurationFiles, tellsClientsApart: Bool, into reading: inout Reading
  ) -> GatewayConfiguration.Server? {
    let before = reading.diagnostics.count(where: { $0.severity == .error })
    let kind = kind(files: files, into: &reading)
    guard let kind, reading.diagnostics.count(where: { $0.severity == .error }) == before else { return nil }
    var server = GatewayConfiguration.Server(alias: alias, displayName: displayName, kind: kind, position: position)
    if case .command = kind, tellsClientsApart { server.isolation = .principal }
    if let isolation { server.isolation = isolation }
    server.era = era
    server.replicas = replicas
    server.resolve = resolve
    server.trustHints = trustHints
    server.restarts = restarts
    server.idleStop = idleStop
    server.childLimits = childLimits
    return server
  }

  private func kind(
    files: ConfigurationFiles, into reading: inout Reading
  ) -> GatewayConfiguration.Server.Kind? {
    let hasURL = url != nil || !endpoints.isEmpty
    switch (command, hasURL) {
    case (.some, true):
      reading.report(
        at: places["url"] ?? places["endpoints"] ?? position, "server `\(alias)` has both a command and a url",
        expected: "one of them")
      return nil
    case (.none, false):
      // A value that could not be read was reported where it stands.
      if places["command"] == nil && places["url"] == nil && places["endpoints"] == nil {
        reading.report(
          at: position, "server `\(alias)` has neither a command nor a url", expected: "`command` or `url`",
          found: unknown.isEmpty ? nil : "nothing but " + Reading.list(unknown))
      } else if !reading.diagnostics.contains(where: { $0.severity == .error }) {
        reading.report(at: position, "server `\(alias)` has nothing to start or to connect to")
      }
      return nil
    case (.some(let command), false):
      return process(command, files: files, into: &reading).map { .command($0) }
    case (.none, true):
      return remote(files: files, into: &reading).map { .url($0) }
    }
  }

  // MARK: Commands

  private func process(
    _ command: Located<String>, files: ConfigurationFiles, into reading: inout Reading
  ) -> GatewayConfiguration.Command? {
    if let transport, transport != .stdio {
      reading.report(
        at: places["type"] ?? position, "server `\(alias)` has a command, so its type can only be `stdio`")
    }
    misplaced(["headers", "tls", "resolve"], instead: "a server with a `url`", into: &reading)
    if command.value.isEmpty { reading.report(at: command.position, "the command of `\(alias)` is empty") }
    for text in [command] + arguments + environment.map(\.value) where text.value.utf8.contains(0) {
      reading.report(at: text.position, "no argument or variable of a process can hold a NUL character")
    }
    var variables = environmentVariables(files: files, into: &reading)
    for (name, value) in environment {
      if name.value.isEmpty || name.value.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "=") }) {
        reading.report(at: name.position, "`\(name.value)` can't be the name of an environment variable")
      }
      variables[name.value] = value.value
    }
    let isPath = command.value.contains("/")
    return GatewayConfiguration.Command(
      command: isPath ? resolve(command.value, home: reading.home) : command.value, arguments: arguments.map(\.value),
      shownArguments: arguments.map { $0.template ?? $0.value }, environment: variables,
      workingDirectory: workingDirectory.map { resolve($0.value, home: reading.home) })
  }

  private func environmentVariables(
    files: ConfigurationFiles, into reading: inout Reading
  ) -> [String: String] {
    guard let file = environmentFile else { return [:] }
    let path = resolve(file.value, home: reading.home)
    do throws(ConfigurationFiles.FileFault) {
      return EnvironmentFile.parse(try files.read(path), file: path, into: &reading.diagnostics)
    } catch {
      reading.report(at: file.position, "the environment file \(path) can't be read: \(error.reason)")
      return [:]
    }
  }

  // MARK: URLs

  private func remote(
    files: ConfigurationFiles, into reading: inout Reading
  ) -> GatewayConfiguration.Remote? {
    misplaced(
      ["args", "env", "env_file", "cwd", "replicas", "restarts", "idle_stop", "limits"],
      instead: "a server with a `command`", into: &reading)
    var parsed: [GatewayConfiguration.Endpoint] = []
    for (text, weight) in [url.map { ($0, 1) }].compactMap({ $0 }) + endpoints.map({ ($0.url, $0.weight) }) {
      do throws(EndpointURL.Problem) {
        let url = try EndpointURL(parsing: text.value)
        if parsed.contains(where: { $0.url == url }) {
          reading.report(
            at: text.position, "`\(alias)` has the same endpoint twice",
            expected: "each URL once; more `weight` gives one a larger share")
          continue
        }
        parsed.append(GatewayConfiguration.Endpoint(url: url, weight: weight, template: text.template))
      } catch {
        reading.report(
          at: text.position, "the url of `\(alias)` can't be used: \(error.message)", expected: EndpointURL.form)
      }
    }
    guard !parsed.isEmpty else { return nil }
    return GatewayConfiguration.Remote(
      endpoints: parsed, headers: checkedHeaders(into: &reading), transport: transport(of: parsed, into: &reading),
      tls: checkedTLS(of: parsed, files: files, into: &reading))
  }

  private func transport(
    of endpoints: [GatewayConfiguration.Endpoint], into reading: inout Reading
  ) -> GatewayConfiguration.Remote.Transport {
    let place = places["type"] ?? places["url"] ?? position
    let areWebSockets = endpoints.map(\.url.scheme.isWebSocket)
    if Set(areWebSockets).count > 1 {
      reading.report(at: places["endpoints"] ?? position, "the endpoints of `\(alias)` mix ws and http")
    }
    var result = GatewayConfiguration.Remote.Transport.automatic
    switch transport {
    case .stdio:
      reading.report(at: place, "server `\(alias)` has a url, so its type can't be `stdio`")
    case .remote(let named): result = named
    case nil: break
    }
    if areWebSockets[0] {
      if result == .http || result == .sse {
        reading.report(at: place, "a ws or wss url can't be spoken to as `\(result.rawValue)`")
      }
      result = .webSocket
    }
    return result
  }

  private func checkedHeaders(into reading: inout Reading) -> [GatewayConfiguration.Header] {
    var result: [GatewayConfiguration.Header] = []
    var seen: Set<String> = []
    for (name, value) in headers {
      let lower = name.value.lowercased()
      guard HeaderForm.isName(name.value) else {
        reading.report(
          at: name.position, "`\(name.value)` can't be the name of a header", expected: "a token (RFC 9110)")
        continue
      }
      guard seen.insert(lower).inserted else {
        reading.report(at: name.position, "the header `\(name.value)` is given twice; names differ by more than case")
        continue
      }
      // The value may be a secret: it is never shown.
      guard HeaderForm.isValue(value.value) else {
        reading.report(
          at: value.position, "the value of the header `\(name.value)` holds a line break or a control character")
        continue
      }
      guard !HeaderForm.managed.contains(lower) else {
        reading.report(
          .warning, at: name.position, "the header `\(name.value)` is set by the gateway itself; this one is left out")
        continue
      }
      result.append(GatewayConfiguration.Header(name: name.value, value: HeaderForm.trimmed(value.value)))
    }
    return result
  }

  private func checkedTLS(
    of endpoints: [GatewayConfiguration.Endpoint], files: ConfigurationFiles, into reading: inout Reading
  ) -> GatewayConfiguration.UpstreamTLS {
    guard let tls else { return GatewayConfiguration.UpstreamTLS() }
    let place = places["tls"] ?? position
    if !endpoints.contains(where: \.url.scheme.isEncrypted) {
      reading.report(.warning, at: place, "`tls` of `\(alias)` has no effect: its url is not https or wss")
    }
    if (tls.certificate == nil) != (tls.key == nil) {
      reading.report(at: place, "`tls` of `\(alias)` is incomplete", expected: "both `cert` and `key`, or neither")
    }
    if !tls.verify {
      reading.report(
        .warning, at: place, "the certificate of `\(alias)` is not verified: anybody in between can read along")
    }
    func path(_ text: Located<String>?) -> String? {
      guard let text else { return nil }
      let path = resolve(text.value, home: reading.home)
      if let obstacle = files.obstacle(toReading: path) { reading.report(at: text.position, obstacle) }
      return path
    }
    return GatewayConfiguration.UpstreamTLS(
      ca: path(tls.ca), certificate: path(tls.certificate), key: path(tls.key), verify: tls.verify)
  }

  // MARK: Both

  private func misplaced(_ keys: [String], instead owner: String, into reading: inout Reading) {
    for key in keys {
      guard let place = places[key] else { continue }
      reading.report(at: place, "`\(key)` of `\(alias)` has no meaning here", expected: "`\(key)` only in \(owner)")
    }
  }

  private func resolve(_ path: String, home: String?) -> String {
    FilePath.resolve(path, from: directory, home: home)
  }
}
