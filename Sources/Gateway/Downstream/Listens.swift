import MCP
import Reactor
import Wire

/// A modern client's `subscriptions/listen`: what it hears of, and under which id (PROTOCOL section 13).
struct Listen {
  let view: CatalogueView
  let subscriptionID: Token
  /// What of its wishes is honoured.
  let filter: ListenFilter
  /// The resources among them, by the URI that the client named.
  let resources: [[UInt8]: Subscription]
  let path: ReplyPath
  /// Nothing of a subscription may come before its acknowledgement.
  var isAcknowledged = false
}

/// Names a listen of one worker: by the connection that it has to itself, or as one of several on a WebSocket.
struct ListenStream: Hashable {
  let connection: ConnectionID
  let number: UInt64

  init(_ connection: ConnectionID, _ number: UInt64 = 0) {
    self.connection = connection
    self.number = number
  }
}

extension Worker {
  /// As many as SDK servers take.
  private static var listenLimit: Int { 1024 }
  private static var resourceLimit: Int { 1024 }

  func listen(_ path: ReplyPath, _ view: CatalogueView, _ envelope: Envelope) {
    guard let asked = ListenFilter(envelope), let id = envelope.id else {
      let error = GatewayError(.invalidParams, message: "Invalid params: notifications is absent or malformed")
      return refuse(path, error, id: envelope.id, .modern)
    }
    guard listens.count < Self.listenLimit, asked.resources.count <= Self.resourceLimit else {
      return refuse(path, .overloaded, id: envelope.id, .modern)
    }
    guard !gateway.isEnding else { return refuse(path, GatewayError(.draining), id: envelope.id, .modern) }
    let catalogue = gateway.catalogue
    var filter = asked.honoured(by: catalogue.offer(view).capabilities)
    var resources: [[UInt8]: Subscription] = [:]
    for uri in filter.resources {
      let routes = catalogue.routes
      guard case .success(let route) = routes.route(resource: uri.rawBytes, view: view, learned: learnedLinks),
        catalogue.clusters[route.upstream].profile?.offer.capabilities.contains(.resourcesSubscribe) == true
      else { continue }
      resources[uri] = Subscription(interest: ResourceInterest(uri.rawBytes, route, routes))
    }
    filter.resources.removeAll { resources[$0] == nil }
    let stream = begin(path)
    listens[stream] = Listen(
      view: view, subscriptionID: Token(id), filter: filter, resources: resources, path: path)
    beginInterest(resources.values.map(\.interest)) { $0.acknowledge(stream) }
  }

  /// Opens what the listen is told on.
  private func begin(_ path: ReplyPath) -> ListenStream {
    switch path {
    case .post(let connection):
      beginAnswer(connection, EventLoop.ReplyHead(200, "text/event-stream", headers: Self.streamHeaders.bytes))
      loop.heartbeat(connection, milliseconds: settings.heartbeat, gateway.heartbeatFrame)
      loop.setTag(connection, tag(.listen))
      return ListenStream(connection)
    case .socket(let reply):
      nextListen += 1
      return ListenStream(reply.connection, nextListen)
    }
  }

  /// The first message of every subscription says what of the filter is honoured.
  private func acknowledge(_ stream: ListenStream) {
    guard let listen = listens[stream], !listen.isAcknowledged else { return }
    listens[stream]?.isAcknowledged = true
    var honoured = ByteBuffer(capacity: 128)
    honoured.append(listen.filter)
    var message = ByteBuffer(capacity: 256)
    message.append(acknowledged: honoured.bytes, subscriptionID: listen.subscriptionID.bytes)
    write(message.bytes, on: stream)
    if gateway.isDraining { end(stream) }
  }

  func tellListens(_ update: ResourceUpdate) {
    for (stream, listen) in listens where listen.isAcknowledged {
      guard let name = update.name(among: listen.resources) else { continue }
      var message = ByteBuffer(capacity: update.message.count + 128)
      let written = update.append(
        to: &message, named: name, client: .newest, subscriptionID: listen.subscriptionID.bytes)
      if written { write(message.bytes, on: stream) }
    }
  }

  /// Nobody can be paused for a listen that is read too slowly: its stream is closed, and its client listens again and
  /// fetches anew.
  func write(_ message: RawSpan, on stream: ListenStream) {
    guard let listen = listens[stream] else { return }
    switch listen.path {
    case .socket(let reply):
      send(message, SocketReply(connection: reply.connection, isBinary: false))
    case .post(let connection):
      var event = ByteBuffer(capacity: message.byteCount + 32)
      event.append("event: message\ndata: ")
      event.append(flattened: message)
      event.append("\n\n")
      guard loop.writeStream(connection, event.bytes) == .full else { return }
      listenGone(stream)
      loop.setTag(connection, 0)
      loop.close(connection)
    }
  }

  /// A listen is over. True if there was one.
  @discardableResult
  func listenGone(_ stream: ListenStream) -> Bool {
    guard let listen = listens.removeValue(forKey: stream) else { return false }
    if !listen.resources.isEmpty { endInterest(listen.resources.values.map(\.interest)) }
    return true
  }

  /// Ends listens in order: the result, then the stream's end. On a WebSocket, as over standard streams, it is cancelled
  /// after its result (PROTOCOL section 13).
  func endListens(where ends: (Listen) -> Bool = { _ in true }) {
    for (stream, listen) in listens where ends(listen) { end(stream) }
  }

  private func end(_ stream: ListenStream) {
    acknowledge(stream)
    guard let listen = listens[stream] else { return }
    var message = ByteBuffer(capacity: 160)
    message.append(listenEnded: listen.subscriptionID.bytes)
    switch listen.path {
    case .socket(let reply):
      send(message.bytes, reply)
      var cancelled = ByteBuffer(capacity: 160)
      cancelled.append(listenCancelled: listen.subscriptionID.bytes)
      send(cancelled.bytes, SocketReply(connection: reply.connection, isBinary: false))
      listenGone(stream)
    case .post(let connection):
      write(message.bytes, on: stream)
      guard listenGone(stream) else { return }
      loop.setTag(connection, 0)
      loop.endStream(connection)
    }
  }
}
