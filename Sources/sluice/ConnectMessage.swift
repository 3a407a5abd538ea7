import Wire

/// What the bridge has to know of a message; the message itself travels as the bytes that it came in.
struct ConnectMessage {
  enum Kind {
    case request, notification, response, batch, invalid
  }

  var bytes: [UInt8]
  var kind: Kind
  /// The raw token, quotes included, so that `1` and `"1"` differ.
  var id: [UInt8]?
  var method: String
  /// The code and reason for which the message can't be sent.
  var fault: (code: Int, text: String)?
  /// `params._meta["io.modelcontextprotocol/protocolVersion"]`: says that the message is of 2026-07-28 or later.
  var modernVersion: String?
  /// What `Mcp-Name` repeats.
  var name: String?
  /// The request that a `notifications/cancelled` is about.
  var cancelledID: [UInt8]?
  /// `result.protocolVersion` of the answer to `initialize`.
  var negotiatedVersion: String?

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(bytes.span.bytes, depth: 1000)
    kind =
      switch envelope.kind {
      case .request: .request
      case .notification: .notification
      case .result, .error: .response
      case .batch: .batch
      case .invalid: .invalid
      }
    fault = envelope.fault.map { ($0.code, $0.text) }
    if let slice = envelope.idSlice, envelope.idKind == .string || envelope.idKind == .integer {
      id = Array(bytes[slice.range])
    }
    method = envelope.methodSlice.map { Self.unescaped(bytes[$0.range]) } ?? ""
    modernVersion =
      kind == .response ? nil : envelope.member(MetaKey.protocolVersion).flatMap { Self.string(bytes[$0.value.range]) }
    let key: Param? =
      switch envelope.method {
      case .toolsCall, .promptsGet: .name
      case .resourcesRead: .uri
      case .tasksGet, .tasksUpdate, .tasksCancel: .taskID
      default: nil
      }
    name = key.flatMap { envelope.member($0) }.flatMap { Self.string(bytes[$0.value.range]) }
    if envelope.method == .notifyCancelled {
      cancelledID = envelope.member(Param.requestID).map { Array(bytes[$0.value.range]) }
    }
    negotiatedVersion = envelope.member(ResultKey.protocolVersion).flatMap { Self.string(bytes[$0.value.range]) }
  }

  /// The text of a string token, nil for any other value.
  private static func string(_ token: ArraySlice<UInt8>) -> String? {
    guard token.count >= 2, token.first == UInt8(ascii: "\"") else { return nil }
    return unescaped(token.dropFirst().dropLast())
  }

  private static func unescaped(_ contents: ArraySlice<UInt8>) -> String {
    let raw = Array(contents)
    var buffer = ByteBuffer()
    JSON.unescape(raw.span.bytes, into: &buffer)
    return buffer.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
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
    return buffer.bytes.withUnsafeBytes { Array($0) }
  }

  /// The error object of an HTTP answer that is not 2xx, for the request that was just sent: servers write ids of their
  /// own choice there. nil when the body is no JSON-RPC error.
  static func error(in body: [UInt8], for id: [UInt8]?) -> [UInt8]? {
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(body.span.bytes, depth: 1000)
    guard let slice = envelope.errorSlice else { return nil }
    return Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8) + (id ?? Array("null".utf8)) + Array(",\"error\":".utf8)
      + body[slice.range] + Array("}".utf8)
  }
}
