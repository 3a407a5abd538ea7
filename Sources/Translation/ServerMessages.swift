import MCP
import Wire

/// Edits of what a server sends on its own: notifications, and requests of a legacy server to a legacy client.
public enum ServerTranslation {
  /// A notification on its way to a client. `progressToken` is the client's own token, `subscriptionID` the id of the
  /// listen that it goes out on. False if it must not go on.
  public static func notification(
    _ envelope: Envelope, _ hop: Hop, progressToken: RawSpan? = nil, subscriptionID: RawSpan? = nil,
    splice: inout Splice
  ) -> Bool {
    var removed = ParamSet()
    switch envelope.method {
    case .notifyProgress:
      guard let progressToken, let token = envelope.member(.progressToken as Param) else { return false }
      splice.replace(token.value, with: progressToken)
      if !hop.client.hasProgressMessages { removed.insert(.message) }
    case .notifyMessage, .notifyToolsListChanged, .notifyPromptsListChanged, .notifyResourcesListChanged,
      .notifyResourcesUpdated, .other:
      break
    case .notifyElicitationComplete:
      guard hop.client == .r20251125 else { return false }
    default: return false
    }
    editMeta(envelope, removed: removed, subscriptionID: subscriptionID, splice: &splice)
    return true
  }

  private static func editMeta(
    _ envelope: Envelope, removed: ParamSet, subscriptionID: RawSpan?, splice: inout Splice
  ) {
    guard let params = envelope.paramsSlice, JSON.kind(of: envelope.message[params]) == .object else {
      guard let subscriptionID, let method = envelope.methodSlice else { return }
      splice.insert(at: method.end + 1) {
        $0.append(#","params":{"#)
        $0.append(subscription: subscriptionID)
        $0.append("}")
      }
      return
    }
    var removed = removed
    let meta = envelope.member(.meta as Param)
    if let meta, JSON.kind(of: envelope.message[meta.value]) == .object {
      splice.edit(object: meta.value, removing: MetaSet(.subscriptionID, .serverInfo), of: envelope) {
        if let subscriptionID { $0.append(subscriptionMember: subscriptionID) }
      }
      splice.edit(object: params, removing: removed, of: envelope) { _ in }
      return
    }
    if meta != nil, subscriptionID != nil { removed.insert(.meta) }
    splice.edit(object: params, removing: removed, of: envelope) {
      if let subscriptionID { $0.append(subscription: subscriptionID) }
    }
  }

  /// A request of a legacy server on its way to a legacy client, under an id and a progress token of the gateway's.
  public static func request(_ envelope: Envelope, id: UInt64, progressToken: UInt64?, splice: inout Splice) {
    if let place = envelope.idSlice { splice.replace(place, withDecimal: id) }
    guard let token = envelope.member(.progressToken as MetaKey) else { return }
    if let progressToken {
      splice.replace(token.value, withDecimal: progressToken)
    } else if let meta = envelope.member(.meta as Param) {
      splice.edit(object: meta.value, removing: MetaSet(.progressToken), of: envelope) { _ in }
    }
  }

  /// Why a server's request can't be put to this client; nil if it can. The answer goes to the server.
  public static func fault(
    _ envelope: Envelope, upstream: Revision, client: Revision, capabilities: ClientCapabilities
  ) -> GatewayError? {
    guard envelope.method.isServerRequest(in: upstream) else { return GatewayError(.methodNotFound) }
    if envelope.method == .ping { return nil }
    guard client.era == .legacy else {
      return GatewayError(
        .clientNotCapable,
        message: "\(envelope.methodName.text) can't be put to this client: it speaks \(client.label), in which servers "
          + "do not send requests")
    }
    guard let needed = needs(envelope) else { return GatewayError(.methodNotFound) }
    guard capabilities.isSuperset(of: needed) else {
      return GatewayError(
        .clientNotCapable, message: "The client has not declared what \(envelope.methodName.text) needs")
    }
    return nil
  }

  /// What a client must have declared for a server's request to be put to it; nil for what is none of a client's business.
  public static func needs(_ envelope: Envelope) -> ClientCapabilities? {
    switch envelope.method {
    case .samplingCreateMessage:
      guard let params = envelope.params, JSON.find("tools", in: params) != nil else { return .sampling }
      return [.sampling, .samplingTools]
    case .elicitationCreate: return JSON.isString(envelope.value(.mode), "url") ? .elicitationURL : .elicitationForm
    case .rootsList: return .roots
    // What it needs the two have settled between themselves.
    case .other: return []
    default: return nil
    }
  }
}

extension ByteBuffer {
  /// A request of the gateway's own. `params` is an object, or empty for none.
  public mutating func append(request method: Method, id: UInt64, params: RawSpan = RawSpan()) {
    append(#"{"jsonrpc":"2.0","id":"#)
    append(decimal: id)
    append(#","method":""#)
    append(method.name)
    append("\"")
    append(params: params)
  }

  /// A notification of the gateway's own.
  public mutating func append(notification method: Method, params: RawSpan = RawSpan()) {
    append(#"{"jsonrpc":"2.0","method":""#)
    append(method.name)
    append("\"")
    append(params: params)
  }

  private mutating func append(params: RawSpan) {
    if params.byteCount > 0 {
      append(#","params":"#)
      append(params)
    }
    append("}")
  }

  /// A modern request of the gateway's own, with its envelope. `members` go into `params`, with commas between them.
  public mutating func append(
    modernRequest method: Method, id: UInt64, members: RawSpan = RawSpan(), meta: RequestMeta
  ) {
    append(#"{"jsonrpc":"2.0","id":"#)
    append(decimal: id)
    append(#","method":""#)
    append(method.name)
    append(#"","params":{"#)
    append(members)
    if members.byteCount > 0 { append(",") }
    append(#""_meta":{"#)
    append(meta.all)
    append("}}}")
  }

  /// The start of a response; a result object and `}` follow. Without an id it is null.
  public mutating func append(responseTo id: RawSpan?) {
    append(startOfResponseTo: id, #","result":"#)
  }

  mutating func append(startOfResponseTo id: RawSpan?, _ member: StaticString) {
    append(#"{"jsonrpc":"2.0","id":"#)
    if let id, id.byteCount > 0 { append(id) } else { append("null") }
    append(member)
  }

  /// A response with that result object.
  public mutating func append(result: RawSpan, responseTo id: RawSpan?) {
    append(responseTo: id)
    append(result)
    append("}")
  }

  /// An error response that says no more than its code and a sentence: the gateway's to a server that asks.
  public mutating func append(errorCode code: Int, _ message: String, responseTo id: RawSpan?) {
    append(startOfResponseTo: id, #","error":{"code":"#)
    append(decimal: code)
    append(#","message":"#)
    append(quoted: message)
    append("}}")
  }

  /// A tool result that tells the model what went wrong.
  public mutating func append(toolError text: String, id: RawSpan, for revision: Revision) {
    append(responseTo: id)
    append(revision.era == .modern ? #"{"resultType":"complete","content":["# : #"{"content":["#)
    append(#"{"type":"text","text":"#)
    append(quoted: text)
    append(#"}],"isError":true}}"#)
  }

  /// `notifications/cancelled` about a request that was sent under this id. The reason is for people.
  public mutating func append(cancelled id: UInt64, reason: StaticString? = nil) {
    append(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#)
    append(decimal: id)
    if let reason {
      append(#","reason":"#)
      append(quoted: reason.bytes)
    }
    append("}}")
  }

  /// A list change: unsolicited toward a legacy client, on a listen toward a modern one.
  public mutating func append(changed kind: ListKind, subscriptionID: RawSpan?) {
    append(#"{"jsonrpc":"2.0","method":""#)
    append(kind.changed.name)
    append("\"")
    if let subscriptionID {
      append(#","params":{"#)
      append(subscription: subscriptionID)
      append("}")
    }
    append("}")
  }

  /// `notifications/resources/updated`; `uri` is raw string contents.
  public mutating func append(updated uri: RawSpan, subscriptionID: RawSpan?) {
    append(#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":""#)
    append(uri)
    append("\"")
    if let subscriptionID {
      append(",")
      append(subscription: subscriptionID)
    }
    append("}}")
  }

  /// The first message of a listen: `honoured` is the object of what it will bring.
  public mutating func append(acknowledged honoured: RawSpan, subscriptionID: RawSpan) {
    append(#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":"#)
    append(honoured)
    append(",")
    append(subscription: subscriptionID)
    append("}}")
  }

  /// The orderly end of a listen.
  public mutating func append(listenEnded id: RawSpan) {
    append(responseTo: id)
    append(#"{"resultType":"complete","#)
    append(subscription: id)
    append("}}")
  }

  /// The notification that follows it where the stream is not the listen's own.
  public mutating func append(listenCancelled id: RawSpan) {
    append(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"#)
    append(id)
    append("}}")
  }

  fileprivate mutating func append(subscription id: RawSpan) {
    append(#""_meta":{"#)
    append(subscriptionMember: id)
    append("}")
  }

  fileprivate mutating func append(subscriptionMember id: RawSpan) {
    append(#""io.modelcontextprotocol/subscriptionId":"#)
    append(id)
  }
}
