import ConfigurationSyntax
import MCP
import Translation
import Wire

/// Writes the requests to one endpoint.
struct RequestWriter {
  private let target: [UInt8]
  private let authority: [UInt8]
  /// What goes with every request.
  private let own: [(name: [UInt8], value: [UInt8])]

  init(_ url: EndpointURL, headers: [(name: String, value: String)]) {
    target = Array(url.target.utf8)
    authority = Array(url.authority.utf8)
    own = headers.map { (Array($0.name.utf8), Array($0.value.utf8)) }
  }

  /// Which conversation a request belongs to.
  struct Conversation {
    var session: [UInt8]?
    /// What `initialize` settled.
    var version: [UInt8]?
  }

  /// A message in a session, or before there is one.
  func legacy(_ message: Message, in conversation: Conversation) -> [UInt8] {
    var head = begin("POST", accept: "application/json, text/event-stream")
    append(conversation, to: &head)
    return end(&head, message.bytes)
  }

  /// A message that stands for itself: headers repeat its revision, its method and some of what it says.
  func modern(_ message: Message, version: [UInt8], parameters: [MirroredParameter]) -> [UInt8] {
    var head = begin("POST", accept: "application/json, text/event-stream")
    head.append(header: .mcpProtocolVersion, version.rawBytes)
    let scanner = EnvelopeScanner()
    let envelope = scanner.scan(message.bytes.rawBytes, depth: 1000)
    let name = message.name ?? []
    head.append(
      mirroring: message.methodCode, methodName: envelope.methodName, name: message.name == nil ? nil : name.rawBytes,
      arguments: parameters.isEmpty ? nil : envelope.value(.arguments as Param), parameters: parameters.span)
    return end(&head, message.bytes)
  }

  /// Asks for a stream of a session's, from the event on that follows `id`.
  func stream(_ conversation: Conversation, after id: [UInt8]?) -> [UInt8] {
    var head = begin("GET", accept: "text/event-stream")
    append(conversation, to: &head)
    if let id { head.append(header: .lastEventID, id.rawBytes) }
    return end(&head, nil)
  }

  func farewell(_ conversation: Conversation) -> [UInt8] {
    var head = begin("DELETE", accept: nil)
    append(conversation, to: &head)
    return end(&head, nil)
  }

  /// What has no effect wherever it arrives.
  func knock() -> [UInt8] {
    var head = begin("OPTIONS", accept: nil)
    return end(&head, nil)
  }

  private func begin(_ method: StaticString, accept: StaticString?) -> ByteBuffer {
    var head = ByteBuffer(capacity: 1024)
    head.append(requestLine: method, target: target.rawBytes)
    head.append(header: .host, authority.rawBytes)
    for (name, value) in own { head.append(header: name.rawBytes, value.rawBytes) }
    if let accept { head.append(header: .accept, accept) }
    return head
  }

  private func append(_ conversation: Conversation, to head: inout ByteBuffer) {
    if let session = conversation.session { head.append(header: .mcpSessionID, session.rawBytes) }
    if let version = conversation.version { head.append(header: .mcpProtocolVersion, version.rawBytes) }
  }

  private func end(_ head: inout ByteBuffer, _ body: [UInt8]?) -> [UInt8] {
    if let body {
      head.append(header: .contentType, "application/json")
      head.append(contentLength: body.count)
    }
    head.appendHeadEnd()
    if let body { head.append(body) }
    return head.bytes.array
  }
}
