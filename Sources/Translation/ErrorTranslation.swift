import MCP
import Wire

/// Errors of an upstream as its client may see them. Codes: MCP 2026-07-28, Basic, Error Codes, and what the schemas of
/// older revisions name; what an upstream says of its own hop (-32020 to -32022) never goes on as it is.
enum ErrorTranslation {
  static func error(
    _ envelope: Envelope, _ hop: Hop, uri: RawSpan?, alias: String, splice: inout Splice
  ) -> ResponseOutcome {
    guard let token = envelope.value(.code), let code = JSON.integer(token) else {
      return .replace(GatewayError(.upstreamInvalid, server: alias))
    }
    switch code {
    // They describe the hop between the gateway and the upstream, never the client's.
    case -32020: return .recover(.relistTools, otherwise: refused(envelope, alias))
    case -32021: return missingCapability(envelope, hop, alias)
    case -32022: return .recover(.rediscover, otherwise: refused(envelope, alias))
    case -32042: return urlElicitation(envelope, hop, alias)
    case -32601: return .forward(status: hop.client.era == .modern ? 404 : 200)
    default: break
    }
    if hop.method == .resourcesRead, hop.crossesEras, isNotFound(envelope, hop, code: code) {
      setNotFound(envelope, hop, uri: uri, splice: &splice)
      return .forward(status: 200)
    }
    let isPrivate = code >= -32019 && code <= -32000 || code == 0 || code == -1 || code == -32800
    if isPrivate, hop.client.era == .modern, hop.upstream.era == .legacy { return .replace(refused(envelope, alias)) }
    return .forward(status: 200)
  }

  /// -32603 with the upstream's words, and its error in `data`.
  private static func refused(_ envelope: Envelope, _ alias: String) -> GatewayError {
    var text: String?
    if let message = envelope.value(.message as ErrorKey) { text = JSON.string(message) }
    var object: [UInt8] = Array("null".utf8)
    if let error = envelope.error { object = error.array }
    return GatewayError(.upstreamRefused, message: text, server: alias, detail: .upstreamError(object))
  }

  private static func missingCapability(_ envelope: Envelope, _ hop: Hop, _ alias: String) -> ResponseOutcome {
    var required: [UInt8]?
    if let data = envelope.value(.data as ErrorKey), let object = JSON.find("requiredCapabilities", in: data),
      JSON.kind(of: object) == .object
    {
      required = object.array
    }
    if hop.client.era == .modern {
      return .replace(
        GatewayError(
          .missingCapability, server: alias, detail: .requiredCapabilities(required ?? Array("{}".utf8))))
    }
    var names: [String] = []
    if let required {
      let object = required.rawBytes
      var items = JSON.items(of: object)
      while let item = items.next() { names.append(object[item.key].text) }
    }
    let what = names.isEmpty ? "a capability" : "the capability " + names.joined(separator: ", ")
    let text =
      "The server \(alias) needs \(what) of the client, which does not cross from \(hop.upstream.label) to "
      + "\(hop.client.label)"
    return hop.method == .toolsCall
      ? .toolError(text) : .replace(GatewayError(.notAcrossEras, message: text, server: alias))
  }

  /// Only 2025-11-25 knows this error; the question that it is does not cross the eras.
  private static func urlElicitation(_ envelope: Envelope, _ hop: Hop, _ alias: String) -> ResponseOutcome {
    if hop.client == .r20251125, hop.upstream.era == .legacy { return .forward(status: 200) }
    var urls: [String] = []
    if let data = envelope.value(.data as ErrorKey), let list = JSON.find("elicitations", in: data) {
      var items = JSON.items(of: list)
      while let item = items.next() {
        if let url = JSON.find("url", in: items.value(of: item)), let text = JSON.string(url) { urls.append(text) }
      }
    }
    var error = refused(envelope, alias)
    error.kind = .notAcrossEras
    let place = urls.isEmpty ? "a page" : urls.joined(separator: ", ")
    error.message = "The server \(alias) wants the user to visit \(place) first"
    return .replace(error)
  }

  // MARK: Resource not found

  /// -32002 in the legacy era, -32602 in the modern one; some servers say 0, or the other era's code.
  private static func isNotFound(_ envelope: Envelope, _ hop: Hop, code: Int64) -> Bool {
    if code == -32002 { return true }
    guard code == -32602 || code == 0 else { return false }
    if code == -32602, hop.client.era == .legacy, let data = envelope.value(.data as ErrorKey),
      JSON.kind(of: data) == .object, JSON.find("uri", in: data) != nil
    {
      return true
    }
    if code == -32602, hop.client.era == .modern { return false }
    guard let message = envelope.value(.message as ErrorKey), let text = JSON.string(message)?.lowercased() else {
      return false
    }
    return text.contains("not found") || text.contains("unknown resource")
  }

  private static func setNotFound(_ envelope: Envelope, _ hop: Hop, uri: RawSpan?, splice: inout Splice) {
    if let code = envelope.member(.code) {
      splice.replace(code.value, with: hop.client.era == .modern ? "-32602" : "-32002")
    }
    // The modern form names the URI in `data`.
    guard hop.client.era == .modern, let uri, let error = envelope.errorSlice else { return }
    var member = ByteBuffer()
    member.append(#""uri":""#)
    member.append(uri)
    member.append("\"")
    let data = envelope.member(.data as ErrorKey)
    if let data, JSON.kind(of: envelope.message[data.value]) == .object {
      if JSON.find("uri", in: envelope.message[data.value]) == nil {
        splice.edit(object: data.value) { $0.append(member.bytes) }
      }
      return
    }
    var removed: [Member] = []
    if let data { removed.append(data) }
    splice.edit(object: error, removing: removed.span) {
      $0.append(#""data":{"#)
      $0.append(member.bytes)
      $0.append("}")
    }
  }
}
