import Configuration
import ConfigurationSyntax

extension Field {
  /// `tls` of a listener.
  static func listenerTLS(_ target: WritableKeyPath<Root, GatewayConfiguration.Listeners.TLS?>) -> Field {
    custom("tls", members: ListenerTLSDraft.fields.map(\.outline)) { node, root, reading in
      var draft = ListenerTLSDraft()
      let mistakes = reading.diagnostics.count
      reading.mapping(node, fields: ListenerTLSDraft.fields, into: &draft)
      guard reading.diagnostics.count == mistakes, let tls = draft.freeze(node, &reading) else { return }
      root[keyPath: target] = tls
    }
  }
}

private typealias ListenerTLS = GatewayConfiguration.Listeners.TLS

/// `listeners.*.tls` while it is read.
private struct ListenerTLSDraft {
  var certificate: Located<String>?
  var key: Located<String>?
  var others: [ListenerTLS.Identity]?
  var clientCA: Located<String>?
  var clientAuthentication: ListenerTLS.ClientAuthentication?

  static var fields: [Field<ListenerTLSDraft>] {
    let modes = ListenerTLS.ClientAuthentication.allCases.map(\.rawValue)
    return [
      .text("cert", \.certificate), .text("key", \.key),
      .custom("certificates", members: [KeyOutline(name: "[]", members: IdentityDraft.fields.map(\.outline))]) {
        node, draft, reading in
        draft.others = reading.identities(node)
      },
      .text("client_ca", \.clientCA),
      .value(
        "client_auth", \.clientAuthentication, expected: "one of \(Reading.list(modes))", choices: modes
      ) { text in ListenerTLS.ClientAuthentication(rawValue: text).map { .some($0) } },
    ]
  }

  /// Nothing, and a complaint, for what does not fit together.
  func freeze(_ node: SourceNode, _ reading: inout Reading) -> ListenerTLS? {
    var identities = others ?? []
    if certificate != nil || key != nil || others == nil {
      let first = IdentityDraft(certificate: certificate, key: key)
      guard let first = first.freeze(node, &reading) else { return nil }
      identities.insert(first, at: 0)
    }
    guard !identities.isEmpty else {
      reading.report(at: node.position, "`\(reading.dottedPath)` is incomplete", expected: "a certificate")
      return nil
    }
    var tls = ListenerTLS(identities: identities)
    tls.clientCA = clientCA.map { reading.path($0) }
    tls.clientAuthentication = clientAuthentication ?? (clientCA == nil ? .off : .required)
    if tls.clientAuthentication != .off, tls.clientCA == nil {
      reading.report(
        at: node.position, "`\(reading.dottedPath)` asks for client certificates and does not say which to take",
        expected: "`client_ca` beside `client_auth`")
      return nil
    }
    return tls
  }
}

/// One pair of `cert` and `key`.
private struct IdentityDraft {
  var certificate: Located<String>?
  var key: Located<String>?

  static var fields: [Field<IdentityDraft>] { [.text("cert", \.certificate), .text("key", \.key)] }

  func freeze(_ node: SourceNode, _ reading: inout Reading) -> ListenerTLS.Identity? {
    guard let certificate, let key else {
      reading.report(at: node.position, "`\(reading.dottedPath)` is incomplete", expected: "both `cert` and `key`")
      return nil
    }
    return ListenerTLS.Identity(certificate: reading.path(certificate), key: reading.path(key))
  }
}

extension Reading {
  fileprivate func path(_ text: Located<String>) -> String {
    FilePath.resolve(text.value, from: directory, home: home)
  }

  fileprivate mutating func identities(_ node: SourceNode) -> [ListenerTLS.Identity] {
    guard case .sequence(let items) = node.content else {
      mismatch(node, expected: "a list of certificates, each with `cert` and `key`")
      return []
    }
    return items.compactMap { item in
      var draft = IdentityDraft()
      mapping(item, fields: IdentityDraft.fields, into: &draft)
      return draft.freeze(item, &self)
    }
  }
}
