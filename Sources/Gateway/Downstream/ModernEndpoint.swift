import MCP
import Reactor
import Wire

/// Streamable HTTP of 2026-07-28: every request stands alone.
extension Worker {
  func serveModern(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope
  ) {
    if envelope.method == .subscriptionsListen { return listen(connection, view, head, envelope) }
    if envelope.method == .toolsCall, let fault = mirroredFault(head, envelope, view) {
      return refuse(connection, fault, id: envelope.id, .modern)
    }
    serve(.post(connection), nil, view, envelope, .r20260728)
  }
}

extension Worker {
  /// Whether the `Mcp-Param-*` headers of a call say what its arguments say.
  private func mirroredFault(
    _ head: RequestHead, _ envelope: Envelope, _ view: CatalogueView
  ) -> GatewayError? {
    guard let token = envelope.value(Param.name), let name = JSON.contents(of: token) else { return nil }
    let routes = gateway.catalogue.routes
    guard case .success(let route) = routes.route(.tools, named: name, view: view), let place = route.entry else {
      return nil
    }
    let parameters = routes.entry(.tools, place).parameters
    guard !parameters.isEmpty else { return nil }
    return parameters.span.fault(head, arguments: envelope.value(Param.arguments), scratch: &headScratch.buffer)
  }
}

/// A modern client's `subscriptions/listen`: what it wants to hear, and under which id.
struct Listen {
  let view: CatalogueView
  let subscriptionID: Token
  let toolsListChanged: Bool
  let promptsListChanged: Bool
  let resourcesListChanged: Bool
  let resources: Set<[UInt8]>
}

extension Worker {
  private func listen(
    _ connection: ConnectionID, _ view: CatalogueView, _ head: RequestHead, _ envelope: Envelope
  ) {
    guard let filter = envelope.value(Param.notifications), JSON.kind(of: filter) == .object, let id = envelope.id
    else {
      return refuse(
        connection, GatewayError(.invalidParams, message: "Invalid params: notifications must be an object"),
        id: envelope.id, .modern)
    }
    guard listens.count < 4096 else { return refuse(connection, .overloaded, id: envelope.id, .modern) }
    let offered = gateway.catalogue.offer(view).capabilities
    func wants(_ name: StaticString, _ capability: ServerCapabilities) -> Bool {
      guard offered.contains(capability), let value = JSON.find(name, in: filter) else { return false }
      return JSON.boolean(value) == true
    }
    var resources: Set<[UInt8]> = []
    if offered.contains(.resourcesSubscribe), let uris = JSON.find("resourceSubscriptions", in: filter) {
      var items = JSON.items(of: uris)
      while let item = items.next() {
        if let uri = JSON.bytes(items.value(of: item)), resources.count < 1024 { resources.insert(uri) }
      }
    }
    let listen = Listen(
      view: view, subscriptionID: Token(id), toolsListChanged: wants("toolsListChanged", .tools),
      promptsListChanged: wants("promptsListChanged", .prompts),
      resourcesListChanged: wants("resourcesListChanged", .resources), resources: resources)
    listens[connection] = listen
    beginAnswer(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
    loop.heartbeat(connection, milliseconds: gateway.heartbeat, gateway.heartbeatFrame)
    loop.setTag(connection, tag(.listen))
    acknowledge(listen, connection)
    if !resources.isEmpty { interestChanged(resources, view) }
  }

  /// The first message of every subscription says what of the filter is honoured [13].
  private func acknowledge(_ listen: Listen, _ connection: ConnectionID) {
    var message = ByteBuffer(capacity: 256)
    message.append(
      "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{"
    )
    var first = true
    func member(_ text: StaticString) {
      if !first { message.append(",") }
      first = false
      message.append(text)
    }
    if listen.toolsListChanged { member("\"toolsListChanged\":true") }
    if listen.promptsListChanged { member("\"promptsListChanged\":true") }
    if listen.resourcesListChanged { member("\"resourcesListChanged\":true") }
    if !listen.resources.isEmpty {
      member("\"resourceSubscriptions\":[")
      for (position, uri) in listen.resources.sorted(by: { $0.lexicographicallyPrecedes($1) }).enumerated() {
        if position > 0 { message.append(",") }
        message.append(quoted: uri.rawBytes)
      }
      message.append("]")
    }
    message.append("},\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
    listen.subscriptionID.append(to: &message)
    message.append("}}}\n\n")
    loop.writeStream(connection, message.bytes)
  }

  /// Writes a notification of the gateway's own making on every listen that asked for its kind.
  func notifyListens(_ method: StaticString, members: RawSpan, where wanted: (Listen) -> Bool) {
    for (connection, listen) in listens where wanted(listen) {
      var message = ByteBuffer(capacity: 192)
      message.append("event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"")
      message.append(method)
      message.append("\",\"params\":{")
      message.append(members)
      if members.byteCount > 0 { message.append(",") }
      message.append("\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
      listen.subscriptionID.append(to: &message)
      message.append("}}}\n\n")
      if loop.writeStream(connection, message.bytes) == .full {
        // Nobody can be paused for it: it is closed, and the client listens again and fetches anew [13].
        listens[connection] = nil
        loop.close(connection)
      }
    }
  }

  /// Ends every listen in order: the result, then the stream's end.
  func endListens() {
    for (connection, listen) in listens {
      var message = ByteBuffer(capacity: 160)
      message.append("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":")
      listen.subscriptionID.append(to: &message)
      message.append(
        ",\"result\":{\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
      listen.subscriptionID.append(to: &message)
      message.append("}}}\n\n")
      loop.writeStream(connection, message.bytes)
      loop.setTag(connection, 0)
      loop.endStream(connection)
    }
    listens = [:]
  }
}
