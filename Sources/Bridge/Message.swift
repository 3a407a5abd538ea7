import MCP
import Wire

/// What the bridge has to know of a message; the message itself travels as the bytes that it came in.
struct Message: Sendable {
  enum Kind: Sendable {
    case request, notification, response, batch, invalid
  }

  var bytes: [UInt8]
  var kind: Kind
  /// The raw token, quotes included, so that `1` and `"1"` differ.
  var id: [UInt8]?
  /// Unescaped; empty where there is none.
  var method: [UInt8]
  var methodCode: Method
  /// The code and reason for which the message can't be sent.
  var fault: (code: Int, text: String)?
  /// `params._meta["io.modelcontextprotocol/protocolVersion"]`: says that the message is of 2026-07-28 or later.
  var modernVersion: [UInt8]?
  /// What `Mcp-Name` repeats.
  var name: [UInt8]?
  /// The request that a `notifications/cancelled` is about.
  var cancelledID: [UInt8]?
  /// `result.protocolVersion` of the answer to `initialize`.
  var negotiatedVersion: [UInt8]?
  /// `error.code`
  var errorCode: Int64?

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(bytes.rawBytes, depth: Self.depth)
    kind =
      switch envelope.kind {
      case .request: .request
      case .notification: .notification
      case .result, .error: .response
      case .batch: .batch
      case .invalid: .invalid
      }
    fault = envelope.fault.map { ($0.code, $0.text) }
    if let token = envelope.id, envelope.idKind == .string || envelope.idKind == .integer { id = token.array }
    method = Self.unescaped(envelope.methodName)
    methodCode = envelope.method
    if kind != .response { modernVersion = Self.text(envelope.value(.protocolVersion as MetaKey)) }
    switch envelope.method.mirroredName {
    case .name: name = Self.text(envelope.value(.name as Param))
    case .uri: name = Self.text(envelope.value(.uri as Param))
    case .taskID: name = Self.text(envelope.value(.taskID as Param))
    case nil: break
    }
    if envelope.method == .notifyCancelled, let token = envelope.value(.requestID as Param) {
      cancelledID = token.array
    }
    negotiatedVersion = Self.text(envelope.value(.protocolVersion as ResultKey))
    if let code = envelope.value(.code as ErrorKey) { errorCode = JSON.integer(code) }
  }

  /// Whether it is what a message waits for: the answer to a request, perhaps within an array, or an array to an array.
  func answers(_ message: Message?) -> Bool {
    guard let message else { return false }
    switch kind {
    case .response: return message.kind == .request && id == message.id
    case .batch:
      if message.kind == .batch { return true }
      let span = bytes.rawBytes
      var items = JSON.items(of: span)
      while let item = items.next() {
        if Message(items.value(of: item).array).answers(message) { return true }
      }
      return false
    case .request, .notification, .invalid: return false
    }
  }

  /// Sent twice it does no more than sent once.
  var isHarmless: Bool {
    switch methodCode {
    case .ping, .serverDiscover, .toolsList, .resourcesList, .resourcesTemplatesList, .resourcesRead, .promptsList,
      .promptsGet, .completionComplete:
      true
    default: false
    }
  }

  /// How deep a message may be nested: it is for the client and the server to say what is too much.
  private static let depth = 1000

  /// The text of a string token, nil for any other value.
  private static func text(_ token: RawSpan?) -> [UInt8]? {
    guard let token, let contents = JSON.contents(of: token) else { return nil }
    return unescaped(contents)
  }

  private static func unescaped(_ contents: RawSpan) -> [UInt8] {
    var buffer = ByteBuffer()
    JSON.unescape(contents, into: &buffer)
    return buffer.bytes.array
  }

  /// An error answer in the gateway's own words.
  static func error(_ code: Int, _ message: String, for id: [UInt8]?) -> [UInt8] {
    var buffer = ByteBuffer()
    buffer.append("{\"jsonrpc\":\"2.0\",\"id\":")
    buffer.append(id ?? Array("null".utf8))
    buffer.append(",\"error\":{\"code\":")
    buffer.append(decimal: code)
    buffer.append(",\"message\":")
    buffer.append(quoted: message)
    buffer.append("}}")
    return buffer.bytes.array
  }

  /// The error object of an HTTP answer that is not 2xx, for the request that was just sent: servers write ids of their
  /// own choice there. nil when the body is no JSON-RPC error.
  static func error(in body: [UInt8], for id: [UInt8]?) -> [UInt8]? {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(body.rawBytes, depth: Self.depth)
    guard let slice = envelope.errorSlice else { return nil }
    return Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8) + (id ?? Array("null".utf8)) + Array(",\"error\":".utf8)
      + body[slice.range] + Array("}".utf8)
  }
  /// A `tools/list` of the bridge's own, in the words of a request of the client's, whose `_meta` says who asks and what it
  /// can do.
  static func toolsList(after cursor: [UInt8]?, like message: Message) -> Message {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(message.bytes.rawBytes, depth: depth)
    var buffer = ByteBuffer()
    buffer.append(#"{"jsonrpc":"2.0","id":"sluice-tools-list","method":"tools/list","params":{"#)
    if let cursor {
      buffer.append("\"cursor\":")
      buffer.append(cursor)
      buffer.append(",")
    }
    buffer.append("\"_meta\":{")
    var isFirst = true
    for key in [MetaKey.protocolVersion, .clientInfo, .clientCapabilities] {
      guard let value = envelope.value(key) else { continue }
      if !isFirst { buffer.append(",") }
      isFirst = false
      buffer.append(quoted: key.key)
      buffer.append(":")
      buffer.append(value)
    }
    buffer.append("}}}")
    return Message(buffer.bytes.array)
  }
}
