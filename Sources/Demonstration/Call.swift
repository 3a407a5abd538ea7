import MCP
import Wire

/// One request and the ways to answer it, in the shape of its client's revision.
struct Call: Sendable {
  /// How long a result stays good in a modern client's cache.
  enum Caching: Sendable {
    /// Not to be cached at all: a call's result.
    case never
    /// Good for an hour, for everybody.
    case lasting
    /// Old as soon as it is read.
    case fleeting
  }

  let id: UInt64
  let revision: Revision
  let abilities: ClientCapabilities
  let wantsProgress: Bool
  let now: Timestamp

  init(_ id: UInt64, _ envelope: Envelope, _ client: DemonstrationServer.Client, now: Timestamp) {
    self.id = id
    revision = client.revision
    self.now = now
    wantsProgress = envelope.member(MetaKey.progressToken) != nil
    if revision.era == .legacy {
      abilities = client.abilities.restricted(to: revision)
    } else if let declared = envelope.value(MetaKey.clientCapabilities) {
      abilities = ClientCapabilities(parsing: declared)
    } else {
      abilities = []
    }
  }

  // MARK: Results

  /// A complete result with these members.
  func result(_ caching: Caching = .never, _ write: (inout ByteBuffer) -> Void) -> [UInt8] {
    var message = opened(",\"result\":{")
    if revision.era == .modern {
      message.append("\"resultType\":\"complete\",")
      switch caching {
      case .never: break
      case .lasting: message.append("\"ttlMs\":3600000,\"cacheScope\":\"public\",")
      case .fleeting: message.append("\"ttlMs\":0,\"cacheScope\":\"private\",")
      }
    }
    write(&message)
    message.append("}}")
    return message.bytes.array
  }

  /// A tool's result of one text, with structured content (a JSON object) where the revision knows that.
  func text(_ text: String, structured: String? = nil) -> [UInt8] {
    result { message in
      message.append("\"content\":[{\"type\":\"text\",\"text\":")
      message.append(quoted: text)
      message.append("}]")
      guard let structured, revision.hasStructuredContent else { return }
      message.append(",\"structuredContent\":")
      message.append(structured)
    }
  }

  /// A tool's result that says what went wrong, for the model to read.
  func failure(_ text: String) -> [UInt8] {
    result { message in
      message.append("\"content\":[{\"type\":\"text\",\"text\":")
      message.append(quoted: text)
      message.append("}],\"isError\":true")
    }
  }

  // MARK: Errors

  /// A JSON-RPC error; `data` is raw JSON.
  func error(_ code: Int, _ text: String, data: String? = nil) -> [UInt8] {
    var message = opened(",\"error\":{\"code\":")
    message.append(decimal: code)
    message.append(",\"message\":")
    message.append(quoted: text)
    if let data {
      message.append(",\"data\":")
      message.append(data)
    }
    message.append("}}")
    return message.bytes.array
  }

  func resourceNotFound(_ uri: String) -> [UInt8] {
    var data = ByteBuffer()
    data.append("{\"uri\":")
    data.append(quoted: uri)
    data.append("}")
    return error(revision.era == .modern ? -32602 : -32002, "Resource not found: \(uri)", data: data.bytes.text)
  }

  // MARK: Before the result

  /// A progress notification; the gateway uses the call's id as its token.
  func progress(_ done: Int, of total: Int) -> [UInt8] {
    var message = ByteBuffer(capacity: 160)
    message.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":")
    message.append(decimal: id)
    message.append(",\"progress\":")
    message.append(decimal: done)
    message.append(",\"total\":")
    message.append(decimal: total)
    if revision.hasProgressMessages { message.append(",\"message\":\"step \(done) of \(total)\"") }
    message.append("}}")
    return message.bytes.array
  }

  /// The beginning of a message under the call's id.
  func opened(_ rest: StaticString) -> ByteBuffer {
    var message = ByteBuffer(capacity: 512)
    message.append("{\"jsonrpc\":\"2.0\",\"id\":")
    message.append(decimal: id)
    message.append(rest)
    return message
  }
}
