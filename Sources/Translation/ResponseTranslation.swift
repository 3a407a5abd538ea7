import MCP
import Wire

/// Edits of what comes back from an upstream: the client's own id and tokens, names and URIs, and the shapes of the client's
/// revision.
public enum ResponseTranslation {
  /// A whole response. `id` is the client's own id token, `uri` the raw contents of the URI it asked for if any, and
  /// `serverInfo` the gateway's identity as an object.
  public static func response(
    _ envelope: Envelope, _ hop: Hop, id: RawSpan, uri: RawSpan?, serverInfo: RawSpan, alias: String,
    splice: inout Splice
  ) -> ResponseOutcome {
    switch envelope.kind {
    case .result:
      if let error = ResultTypes.fault(envelope, hop, alias: alias) { return .replace(error) }
      editResult(envelope, hop, serverInfo: serverInfo, splice: &splice)
      put(id, envelope, splice: &splice)
      return .forward(status: 200)
    case .error:
      let outcome = ErrorTranslation.error(envelope, hop, uri: uri, alias: alias, splice: &splice)
      if case .forward = outcome { put(id, envelope, splice: &splice) }
      return outcome
    default:
      return .replace(GatewayError(.upstreamInvalid, server: alias))
    }
  }

  /// Whether the response must be there as a whole before it goes on, because what is to change in it depends on what
  /// is in it.
  public static func needsWhole(_ hop: Hop) -> Bool {
    if hop.marksResources { return true }
    switch hop.method {
    case .toolsCall, .promptsGet: return !hop.client.hasResourceLinks
    default: return false
    }
  }

  /// The same edits for a result that streams through.
  public static func streamed(_ hop: Hop, id: RawSpan, serverInfo: RawSpan, edits: inout ResponseEdits) {
    edits.id.append(id)
    edits.removeFromResult = removedFromResult(hop)
    edits.removeFromMeta = hopMeta
    if hop.method == .toolsCall, dropsStructured(hop) { edits.removeFromResult.insert(.structuredContent) }
    if hop.upstream.era == .modern { edits.resultTypes = ResultTypes.passing(hop) }
    guard hop.client.era == .modern else { return }
    if hop.upstream.era == .legacy { append(completion: hop, to: &edits.insertIntoResult) }
    append(serverInfo, to: &edits.insertIntoMeta)
  }

  private static let modernMembers = ResultSet(.resultType, .ttlMs, .cacheScope)
  private static let hopMeta = MetaSet(.serverInfo, .subscriptionID)

  /// Members that mean something on the upstream's hop alone.
  private static func removedFromResult(_ hop: Hop) -> ResultSet {
    if hop.client.era == .modern, hop.upstream.era == .modern { return ResultSet() }
    guard case .other = hop.method else { return modernMembers }
    // What a method that no revision has answers may call its members as it likes.
    return hop.crossesEras ? ResultSet(.resultType) : ResultSet()
  }

  private static func dropsStructured(_ hop: Hop) -> Bool {
    !hop.client.hasStructuredContent || hop.hasNonObjectOutput && !hop.client.hasAnyStructuredContent
  }

  private static func append(completion hop: Hop, to buffer: inout ByteBuffer) {
    buffer.append(#""resultType":"complete""#)
    if hop.method.isCacheable { buffer.append(#","ttlMs":0,"cacheScope":"private""#) }
  }

  private static func append(_ serverInfo: RawSpan, to buffer: inout ByteBuffer) {
    buffer.append(#""io.modelcontextprotocol/serverInfo":"#)
    buffer.append(serverInfo)
  }

  private static func put(_ id: RawSpan, _ envelope: Envelope, splice: inout Splice) {
    if let place = envelope.idSlice {
      splice.replace(place, with: id)
    } else if let open = envelope.message.firstIndex(of: 0x7B) {
      splice.insert(at: open + 1) {
        $0.append(#""id":"#)
        $0.append(id)
        $0.append(",")
      }
    }
  }

  private static func editResult(_ envelope: Envelope, _ hop: Hop, serverInfo: RawSpan, splice: inout Splice) {
    guard let result = envelope.resultSlice, JSON.kind(of: envelope.message[result]) == .object else { return }
    var removed = removedFromResult(hop)
    let isModern = hop.client.era == .modern
    let isCall = hop.method == .toolsCall
    let addsCompletion = isModern && (hop.upstream.era == .legacy || envelope.member(.resultType) == nil)
    // What of it the upstream did say must not come twice.
    if addsCompletion { removed = removed.union(hop.method == .other ? ResultSet(.resultType) : modernMembers) }
    let addsContent = isModern && hop.upstream.era == .legacy && isCall && envelope.member(.content) == nil

    var text: Slice?
    if isCall, !isModern { text = ContentConversion.structured(envelope, hop, removed: &removed, splice: &splice) }
    if !hop.client.hasResourceLinks { ContentConversion.blocks(envelope, hop, splice: &splice) }

    let meta = envelope.member(.meta as ResultKey)
    var addsMeta = false
    if let meta, JSON.kind(of: envelope.message[meta.value]) == .object {
      splice.edit(object: meta.value, removing: hopMeta, of: envelope) {
        if isModern { append(serverInfo, to: &$0) }
      }
    } else if isModern {
      if meta != nil { removed.insert(.meta) }
      addsMeta = true
    }
    let message = envelope.message
    splice.edit(object: result, removing: removed, of: envelope) {
      var members = MemberWriter()
      if addsCompletion {
        members.separate(&$0)
        append(completion: hop, to: &$0)
      }
      if addsContent { members.next(&$0, #""content":[]"#) }
      if let text {
        members.next(&$0, #""content":[{"type":"text","text":""#)
        $0.append(escaped: message[text])
        $0.append(#""}]"#)
      }
      if addsMeta {
        members.next(&$0, #""_meta":{"#)
        append(serverInfo, to: &$0)
        $0.append("}")
      }
    }
  }
}

/// What a modern upstream's `resultType` means to the client (MCP 2026-07-28, schema: `Result`; Basic/Patterns, Multi
/// Round-Trip Requests).
enum ResultTypes {
  /// Nil if the result may go on. Absence reads as `complete`. Within the modern era the types of a method that no revision
  /// has are its own.
  static func fault(_ envelope: Envelope, _ hop: Hop, alias: String) -> GatewayError? {
    guard hop.upstream.era == .modern, let type = envelope.value(.resultType) else { return nil }
    if JSON.isString(type, "complete") || hop.method == .other && hop.client.era == .modern { return nil }
    guard JSON.isString(type, "input_required"), hop.method.allowsInputRequired else {
      return GatewayError(
        .upstreamInvalid, message: "The server's result is of a type that the client can't know", server: alias)
    }
    if hop.client.era == .modern { return nil }
    let asked = questions(envelope)
    let what = asked.isEmpty ? "to be asked again later" : "for " + asked.joined(separator: ", ")
    return GatewayError(
      .notAcrossEras,
      message: "The server \(alias) asks the client \(what), which a client of \(hop.client.label) can't be asked "
        + "because the server speaks \(hop.upstream.label)",
      server: alias)
  }

  /// The same for a result that streams through: what is refused has to be there as a whole, to say why.
  static func passing(_ hop: Hop) -> ResponseEdits.ResultTypes {
    guard hop.client.era == .modern else { return .complete }
    if hop.method == .other { return [] }
    return hop.method.allowsInputRequired ? [.complete, .inputRequired] : .complete
  }

  /// The methods that an InputRequiredResult asks for, each once.
  private static func questions(_ envelope: Envelope) -> [String] {
    guard let requests = envelope.value(.inputRequests) else { return [] }
    var names: [String] = []
    var items = JSON.items(of: requests)
    while let item = items.next() {
      guard let method = JSON.find("method", in: items.value(of: item)), let name = JSON.string(method) else {
        continue
      }
      if !names.contains(name) { names.append(name) }
    }
    return names
  }
}
