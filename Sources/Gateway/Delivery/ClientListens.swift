import MCP
import Reactor
import Wire

/// A modern client's `subscriptions/listen`: what it hears of, and under which id (PROTOCOL section 13).
final class Listen {
  let view: CatalogueView
  let subscriptionID: Token
  /// What of its wishes is honoured.
  fileprivate(set) var filter: ListenFilter
  /// The resources among them, by the URI that the client named.
  fileprivate(set) var resources: [[UInt8]: Subscription]
  /// Whose it is, and the bytes that are held for it.
  fileprivate let party: Party
  fileprivate let bytes: Int
  let path: ReplyPath
  /// Nothing of a subscription may come before its acknowledgement.
  var isAcknowledged = false
  /// The last change of lists that it need not be told of any more.
  var told: UInt32

  init(
    _ view: CatalogueView, _ subscriptionID: Token, _ filter: ListenFilter, _ resources: [[UInt8]: Subscription],
    _ party: Party, bytes: Int, _ path: ReplyPath, told: UInt32
  ) {
    self.told = told
    self.view = view
    self.subscriptionID = subscriptionID
    self.filter = filter
    self.resources = resources
    self.party = party
    self.bytes = bytes
    self.path = path
  }
}

/// Names a listen of one worker: by the connection that it has to itself, or as one of several on a WebSocket.
struct ListenStream: Hashable {
  let connection: ConnectionID
  let number: UInt64

  init(_ connection: ConnectionID, _ number: UInt64 = 0) {
    self.connection = connection
    self.number = number
  }

  static func == (a: ListenStream, b: ListenStream) -> Bool { a.number == b.number && a.connection == b.connection }

  /// Both are given out here: nobody can choose ones that collide.
  func _rawHashValue(seed: Int) -> Int {
    connection._rawHashValue(seed: seed) ^ Int(truncatingIfNeeded: number &* 0x9E37_79B9_7F4A_7C15)
  }
}

extension Worker {
  /// On one WebSocket, as many as SDK servers take. Others have a connection each, and those are counted.
  private static var listensPerSocket: Int { 1024 }

  func listen(_ path: ReplyPath, _ view: CatalogueView, _ envelope: Envelope) {
    guard let asked = ListenFilter(envelope), let id = envelope.id else {
      let error = GatewayError(.invalidParams, message: "Invalid params: notifications is absent or malformed")
      return refuse(path, error, id: envelope.id, .modern)
    }
    if asked.resources.count > ListenFilter.mostResources {
      let error = GatewayError(
        .invalidParams,
        message: "Invalid params: more than \(ListenFilter.mostResources) resources; split them among several listens")
      return refuse(path, error, id: envelope.id, .modern)
    }
    if let refusal = tooLong(asked) { return refuse(path, refusal, id: envelope.id, .modern) }
    if case .socket(let reply) = path, listenCount(of: reply.connection) >= Self.listensPerSocket {
      let error = GatewayError(.overloaded, message: "this WebSocket has \(Self.listensPerSocket) listens already")
      return refuse(path, error, id: envelope.id, .modern)
    }
    let catalogue = gateway.catalogue(of: .modern)
    var filter = asked.honoured(by: catalogue.offer(view).capabilities)
    var resources: [[UInt8]: Subscription] = [:]
    for uri in filter.resources {
      let routes = catalogue.routes
      let learned = learnedLinks[principal(of: path)]
      guard case .success(let route) = routes.route(resource: uri.rawBytes, view: view, learned: learned),
        catalogue.clusters[route.upstream].profile?.offer.capabilities.contains(.resourcesSubscribe) == true
      else { continue }
      resources[uri] = Subscription(interest: ResourceInterest(uri.rawBytes, route, routes))
    }
    filter.resources.removeAll { resources[$0] == nil }
    let party = party(of: path.connection)
    let bytes = resources.reduce(256 + id.byteCount) { $0 + $1.value.bytes(named: $1.key) }
    if let refusal = take(bytes, for: party, on: index) { return refuse(path, refusal, id: envelope.id, .modern) }
    let stream = begin(path)
    listens[stream] = Listen(view, Token(id), filter, resources, party, bytes: bytes, path, told: gateway.listNews.last)
    for (uri, subscription) in resources { listenAudience.add(stream, subscription.interest, as: uri) }
    beginInterest(resources.values.map(\.interest)) { $0.acknowledge(stream) }
  }

  private func tooLong(_ filter: ListenFilter) -> GatewayError? {
    if filter.resources.contains(where: { $0.count > settings.uriLimit }) {
      return GatewayError(
        .invalidParams, message: "Invalid params: a URI to listen for may have \(settings.uriLimit) bytes")
    }
    guard filter.resources.reduce(0, { $0 + $1.count }) > settings.subscriptionLimit else { return nil }
    return GatewayError(
      .invalidParams,
      message:
        "Invalid params: the URIs of one listen may have \(settings.subscriptionLimit) bytes in all; split them among several"
    )
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
      countListen(of: reply.connection, 1)
      return ListenStream(reply.connection, nextListen)
    }
  }

  private func listenCount(of socket: ConnectionID) -> Int { socketListens[socket] ?? 0 }

  private func countListen(of socket: ConnectionID, _ change: Int) {
    let count = listenCount(of: socket) + change
    socketListens[socket] = count > 0 ? count : nil
  }

  /// The first message of every subscription says what of the filter is honoured.
  private func acknowledge(_ stream: ListenStream) {
    guard let listen = listens[stream], !listen.isAcknowledged else { return }
    listen.isAcknowledged = true
    leaveOutRefused(listen, stream)
    var honoured = ByteBuffer(capacity: 128)
    honoured.append(listen.filter)
    var message = ByteBuffer(capacity: 256)
    message.append(acknowledged: honoured.bytes, subscriptionID: listen.subscriptionID.bytes)
    write(message.bytes, on: stream)
    if gateway.isDraining { end(stream) }
  }

  /// What its server does not tell of is not honoured.
  private func leaveOutRefused(_ listen: Listen, _ stream: ListenStream) {
    let refused = gateway.interests.refused(among: listen.resources)
    guard !refused.isEmpty else { return }
    for uri in refused.keys { listen.resources[uri] = nil }
    listen.filter.resources.removeAll { refused[$0] != nil }
    for subscription in refused.values { listenAudience.remove(stream, subscription.interest) }
    endInterest(refused.values.map(\.interest))
  }

  func tellListens(_ update: ResourceUpdate) {
    let groups = listenAudience.groups(of: update.upstream, update.uri)
    if !groups.isEmpty { delivery.tell(ListenUpdateRound(update, groups, on: self)) }
  }

  func write(_ notification: ListenNotification, on stream: ListenStream, _ listen: Listen) {
    switch listen.path {
    case .socket:
      var message = ByteBuffer(capacity: 512)
      notification.append(listen.subscriptionID.bytes, to: &message)
      write(message.bytes, on: stream)
    case .post(let connection):
      guard notification.write(listen.subscriptionID.bytes, to: connection, on: loop) == .full else { return }
      letGo(stream, connection)
    }
  }

  func write(_ message: RawSpan, on stream: ListenStream) {
    guard let listen = listens[stream] else { return }
    switch listen.path {
    case .socket(let reply):
      send(message, SocketReply(connection: reply.connection, isBinary: false))
    case .post(let connection):
      var event = ByteBuffer(capacity: message.byteCount + 32)
      event.append(event: message)
      guard loop.writeStream(connection, event.bytes) == .full else { return }
      letGo(stream, connection)
    }
  }

  /// Nobody can be paused for a listen that is read too slowly: its stream is closed, and its client listens again and
  /// fetches anew.
  private func letGo(_ stream: ListenStream, _ connection: ConnectionID) {
    listenGone(stream)
    loop.setTag(connection, 0)
    loop.close(connection)
  }

  /// A listen is over. True if there was one.
  @discardableResult
  func listenGone(_ stream: ListenStream) -> Bool {
    guard let listen = listens.removeValue(forKey: stream) else { return false }
    for subscription in listen.resources.values { listenAudience.remove(stream, subscription.interest) }
    if case .socket(let reply) = listen.path { countListen(of: reply.connection, -1) }
    giveBack(listen.bytes, of: listen.party, on: index)
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
