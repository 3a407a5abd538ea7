import MCP
import Routing
import Wire

/// How a client's request changes on its way to the upstream: ids, tokens, names, and what the other era wants. Edits of
/// the same bytes, never a tree.
enum RequestEdits {
  /// The members that every request of ours to a modern upstream carries in `_meta`.
  static func appendOwnEnvelope(to buffer: inout ByteBuffer, abilities: ClientCapabilities = []) {
    buffer.append("\"_meta\":{")
    appendReservedKeys(to: &buffer, abilities: abilities)
    buffer.append("}")
  }

  private static func appendReservedKeys(to buffer: inout ByteBuffer, abilities: ClientCapabilities) {
    buffer.append("\"io.modelcontextprotocol/protocolVersion\":\"")
    buffer.append(Revision.newest.label)
    buffer.append("\",\"io.modelcontextprotocol/clientInfo\":")
    buffer.append(GatewayState.identity)
    buffer.append(",\"io.modelcontextprotocol/clientCapabilities\":")
    buffer.append(abilities, for: .newest)
  }

  /// Collects the edits of one request.
  static func collect(
    _ splice: inout Splice, _ envelope: Envelope, id: ExchangeID, rename: Renaming, client: Revision,
    server: Revision, logLevel: [UInt8]
  ) {
    if let place = envelope.idSlice { splice.replace(place, withDecimal: id.rawValue) }
    if let token = envelope.member(MetaKey.progressToken) { splice.replace(token.value, withDecimal: id.rawValue) }
    rename.apply(to: &splice, envelope)
    switch (client.era, server.era) {
    case (.legacy, .legacy):
      break
    case (.modern, .modern):
      guard let info = envelope.member(MetaKey.clientInfo) else { return }
      splice.replace(info.value) { $0.append(GatewayState.identity) }
    case (.legacy, .modern):
      var members = ByteBuffer(capacity: 256)
      appendReservedKeys(to: &members, abilities: [])
      if !logLevel.isEmpty {
        members.append(",\"io.modelcontextprotocol/logLevel\":")
        members.append(logLevel)
      }
      if let meta = envelope.member(Param.meta) {
        splice.edit(
          object: meta.value, removing: MetaSet(), of: envelope, inserting: members.bytes)
      } else if let params = envelope.paramsSlice {
        var wrapped = ByteBuffer(capacity: 288)
        wrapped.append("\"_meta\":{")
        wrapped.append(members.bytes)
        wrapped.append("}")
        splice.edit(object: params, removing: ParamSet(), of: envelope, inserting: wrapped.bytes)
      }
    case (.modern, .legacy):
      guard let meta = envelope.member(Param.meta) else { return }
      splice.edit(
        object: meta.value,
        removing: MetaSet(.protocolVersion, .clientInfo, .clientCapabilities, .logLevel, .subscriptionID),
        of: envelope, inserting: RawSpan())
    }
  }

  /// The mirrored headers of a request to a modern upstream, and the version.
  static func appendModernHeaders(
    to head: inout ByteBuffer, _ envelope: Envelope, ownName: RawSpan?, parameters: [MirroredParameter]
  ) {
    head.append(header: .mcpProtocolVersion, Revision.newest.label)
    head.append(header: .mcpMethod, envelope.method.name)
    if let ownName { head.append(header: HeaderField.mcpName.name, encoding: ownName) }
    guard !parameters.isEmpty, let arguments = envelope.value(Param.arguments) else { return }
    var text = ByteBuffer()
    for parameter in parameters {
      guard let value = parameter.value(in: arguments) else { continue }
      text.clear()
      guard parameter.append(value, to: &text) else { continue }
      head.append(header: parameter.header.rawBytes, encoding: text.bytes)
    }
  }
}

/// What becomes of the name or URI of a call.
struct Renaming {
  /// Where it stands in the message, as a string token; nil for a call without one.
  var place: Slice?
  /// The token that takes its place; empty keeps it.
  var token: [UInt8] = []

  static let none = Renaming(place: nil)

  func apply(to splice: inout Splice, _ envelope: Envelope) {
    guard let place, !token.isEmpty else { return }
    splice.replace(place, with: token.rawBytes)
  }
}
