import MCP
import Wire

/// Edits of what goes from a client to an upstream: ids and tokens of this hop, and between the eras the envelope that
/// MCP 2026-07-28 keeps in `params._meta` (Basic, `_meta`). They are collected in a splice, which the caller empties before
/// and writes after.
public enum RequestTranslation {
  /// The keys of `_meta` that belong to the client's own hop.
  static let hopKeys = MetaSet(
    .protocolVersion, .clientInfo, .clientCapabilities, .logLevel, .subscriptionID, .serverInfo)

  /// Those of them that the gateway puts in its own place between two modern hops.
  private static let ownKeys = MetaSet(.clientInfo, .serverInfo, .subscriptionID)
  private static let modernParams = ParamSet(.inputResponses, .requestState)

  /// A request: its id and progress token become the gateway's, its name the upstream's, and its `_meta` what the
  /// upstream's revision wants. `progressToken` is nil if none shall be sent.
  public static func request(
    _ envelope: Envelope, _ hop: Hop, id: UInt64, progressToken: UInt64?, name: NameChange, target: CallTarget,
    meta: RequestMeta, splice: inout Splice
  ) {
    if let place = envelope.idSlice { splice.replace(place, withDecimal: id) }
    if let token = target.token {
      switch name {
      case .keep: break
      case .token(let bytes): splice.replace(token, with: bytes)
      case .text(let text): splice.replace(token) { $0.append(quoted: text) }
      }
    }
    editMeta(envelope, hop, progressToken: progressToken, meta: meta, splice: &splice)
  }

  private static func editMeta(
    _ envelope: Envelope, _ hop: Hop, progressToken: UInt64?, meta: RequestMeta, splice: inout Splice
  ) {
    let isModern = hop.upstream.era == .modern
    let keepsEnvelope = isModern && hop.client.era == .modern
    var removed = keepsEnvelope ? ownKeys : hopKeys
    if let token = envelope.member(.progressToken as MetaKey) {
      if let progressToken {
        splice.replace(token.value, withDecimal: progressToken)
      } else {
        removed.insert(.progressToken)
      }
    }
    func insert(into buffer: inout ByteBuffer) {
      if isModern { buffer.append(keepsEnvelope ? meta.clientInfo : meta.all) }
    }

    guard let params = envelope.paramsSlice else {
      guard isModern, let method = envelope.methodSlice else { return }
      splice.insert(at: method.end + 1) {
        $0.append(#","params":{"_meta":{"#)
        insert(into: &$0)
        $0.append("}}")
      }
      return
    }
    guard JSON.kind(of: envelope.message[params]) == .object else {
      guard isModern else { return }
      splice.replace(params) {
        $0.append(#"{"_meta":{"#)
        insert(into: &$0)
        $0.append("}}")
      }
      return
    }
    // What answers an upstream's question means nothing to one that can't have put it this way. A method that no revision
    // has may call its parameters as it likes.
    var removedParams = isModern || hop.method == .other ? ParamSet() : modernParams
    let member = envelope.member(.meta as Param)
    if let member, JSON.kind(of: envelope.message[member.value]) == .object {
      splice.edit(object: member.value, removing: removed, of: envelope) { insert(into: &$0) }
      if keepsEnvelope { dropTasks(envelope, splice: &splice) }
      splice.edit(object: params, removing: removedParams, of: envelope) { _ in }
      return
    }
    if member != nil { removedParams.insert(.meta) }
    splice.edit(object: params, removing: removedParams, of: envelope) {
      guard isModern else { return }
      $0.append(#""_meta":{"#)
      insert(into: &$0)
      $0.append("}")
    }
  }

  /// Tasks are not relayed, so the upstream must not learn that the client could take them.
  private static func dropTasks(_ envelope: Envelope, splice: inout Splice) {
    guard let capabilities = envelope.member(.clientCapabilities as MetaKey) else { return }
    let object = envelope.message[capabilities.value]
    guard let extensions = JSON.findMember("extensions", in: object),
      let tasks = JSON.findMember("io.modelcontextprotocol/tasks", in: object[extensions.value])
    else { return }
    let place = extensions.value.shifted(by: capabilities.value.offset)
    let removed = [tasks.shifted(by: place.offset)]
    splice.edit(object: place, removing: removed.span) { _ in }
  }

  /// A client's answer to a server's request goes back under the server's own id token.
  public static func response(_ envelope: Envelope, serverID: RawSpan, splice: inout Splice) {
    if let place = envelope.idSlice { splice.replace(place, with: serverID) }
  }

  /// A client's progress about a server's request, under the server's own token.
  public static func progress(_ envelope: Envelope, serverToken: RawSpan, splice: inout Splice) {
    if let token = envelope.member(.progressToken as Param) { splice.replace(token.value, with: serverToken) }
  }
}

extension ByteBuffer {
  /// The MCP headers of a request to a modern HTTP upstream. `methodName` is the method as the message writes it, perhaps
  /// with escapes. `name` is the upstream's own name or URI, unescaped; of
  /// the client's `Mcp-Param-*` those that the tool's schema does not know are handed on.
  public mutating func append(
    modernHeaders method: Method, methodName: RawSpan, name: RawSpan?, arguments: RawSpan?,
    parameters: Span<MirroredParameter>, client: [MirroredLine]
  ) {
    append(header: .mcpProtocolVersion, Revision.newest.label)
    append(mirroring: method, methodName: methodName, name: name, arguments: arguments, parameters: parameters)
    for line in client {
      var isKnown = false
      for index in parameters.indices where line.names(parameters[index]) { isKnown = true }
      if !isKnown { append(header: line.name.rawBytes, line.value.rawBytes) }
    }
  }

  /// `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*`: what headers repeat of a modern request. An argument that is absent or of
  /// another type than its tool says has none.
  public mutating func append(
    mirroring method: Method, methodName: RawSpan, name: RawSpan?, arguments: RawSpan?,
    parameters: Span<MirroredParameter>
  ) {
    append(method: methodName)
    if let name, method.mirroredName != nil { append(header: HeaderField.mcpName.name, encoding: name) }
    if let arguments {
      var text = ByteBuffer()
      for index in parameters.indices {
        guard let value = parameters[index].value(in: arguments) else { continue }
        text.clear()
        guard parameters[index].append(value, to: &text) else { continue }
        append(header: parameters[index].header.rawBytes, encoding: text.bytes)
      }
    }
  }

  private mutating func append(method contents: RawSpan) {
    guard contents.firstIndex(of: UInt8(ascii: "\\")) != nil else {
      append(header: .mcpMethod, contents)
      return
    }
    var plain = ByteBuffer(capacity: contents.byteCount)
    if JSON.unescape(contents, into: &plain) { append(header: .mcpMethod, plain.bytes) }
  }

  /// The MCP headers of a request to a legacy HTTP upstream after `initialize`.
  public mutating func append(legacyHeaders revision: Revision, session: RawSpan?) {
    if let session { append(header: .mcpSessionID, session) }
    if revision.hasVersionHeader { append(header: .mcpProtocolVersion, revision.label) }
  }
}
