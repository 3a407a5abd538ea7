import Catalogue
import Clusters
import MCP
import Reactor
import ServedCatalogue
import SessionStore
import Sessions
import Translation
import Wire
import Workers

/// The listens of one worker's clients.
public final class ClientListens {
  private let context: DeliveryContext
  private let loop: EventLoop
  private let answers: HTTPAnswers
  private let sockets: WebSocketTransport
  private let interests: InterestNotices
  private var listens: [ListenStream: Listen] = [:]
  private var last: UInt64 = 0
  /// Who among them named which resource.
  private var audience = Audience<ListenStream>()
  /// How many listens each WebSocket has that has any.
  private var counts: [ConnectionID: Int] = [:]

  init(
    _ context: DeliveryContext, _ answers: HTTPAnswers, _ sockets: WebSocketTransport, _ interests: InterestNotices
  ) {
    self.context = context
    loop = context.loop
    self.answers = answers
    self.sockets = sockets
    self.interests = interests
  }

  var count: Int { listens.count }

  func find(_ stream: ListenStream) -> Listen? { listens[stream] }

  /// Those that may be told something now.
  var acknowledged: [ListenStream] { listens.compactMap { $0.value.isAcknowledged ? $0.key : nil } }

  /// The same of one WebSocket.
  func acknowledged(on socket: ConnectionID) -> [ListenStream] {
    guard counts[socket] != nil else { return [] }
    return acknowledged.filter { $0.connection == socket }
  }

  /// On one WebSocket, as many as SDK servers take. Others have a connection each, and those are counted.
  private static let listensPerSocket = 1024

  public func listen(_ reply: ReplyTo, _ view: CatalogueView, _ envelope: Envelope) {
    guard let asked = ListenFilter(envelope), let id = envelope.id else {
      let error = GatewayError(.invalidParams, message: "Invalid params: notifications is absent or malformed")
      return refuse(reply, error, id: envelope.id, .modern)
    }
    if asked.resources.count > ListenFilter.mostResources {
      let error = GatewayError(
        .invalidParams,
        message: "Invalid params: more than \(ListenFilter.mostResources) resources; split them among several listens")
      return refuse(reply, error, id: envelope.id, .modern)
    }
    if let refusal = tooLong(asked) { return refuse(reply, refusal, id: envelope.id, .modern) }
    if let socket = reply.socket, count(of: socket) >= Self.listensPerSocket {
      let error = GatewayError(.overloaded, message: "this WebSocket has \(Self.listensPerSocket) listens already")
      return refuse(reply, error, id: envelope.id, .modern)
    }
    let catalogue = context.sessions.shelf.catalogue(of: .modern)
    var filter = asked.honoured(by: catalogue.offer(view).capabilities)
    var resources: [[UInt8]: Subscription] = [:]
    for uri in filter.resources {
      let routes = catalogue.routes
      let learned = context.delegate.learnedLinks(of: context.worker.principal(of: reply.connection))
      guard case .success(let route) = routes.route(resource: uri.rawBytes, view: view, learned: learned),
        catalogue.clusters[route.upstream].profile?.offer.capabilities.contains(.resourcesSubscribe) == true
      else { continue }
      resources[uri] = Subscription(interest: ResourceInterest(uri.rawBytes, route, routes))
    }
    filter.resources.removeAll { resources[$0] == nil }
    let party = context.worker.party(of: reply.connection)
    let bytes = resources.reduce(256 + id.byteCount) { $0 + $1.value.bytes(named: $1.key) }
    if let refusal = context.worker.memory.take(bytes, for: party, on: context.index) {
      return refuse(reply, refusal, id: envelope.id, .modern)
    }
    let stream = begin(reply)
    listens[stream] = Listen(
      view, Token(id), filter, resources, party, bytes: bytes, reply, told: context.shared.listNews.last)
    for (uri, subscription) in resources { audience.add(stream, subscription.interest, as: uri) }
    interests.begin(resources.values.map(\.interest)) { [unowned self] in acknowledge(stream) }
  }

  private func refuse(_ reply: ReplyTo, _ error: GatewayError, id: RawSpan?, _ era: Era) {
    if reply.isPost {
      answers.refuse(reply.connection, error, id: id, era)
    } else {
      sockets.refuse(reply, error, id: id, era, of: nil)
    }
  }

  private func tooLong(_ filter: ListenFilter) -> GatewayError? {
    let settings = context.settings
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
  private func begin(_ reply: ReplyTo) -> ListenStream {
    guard let socket = reply.socket else {
      answers.beginEvents(reply.connection)
      loop.setTag(reply.connection, TagKind.listen.tag())
      return ListenStream(reply.connection)
    }
    last += 1
    count(of: socket, 1)
    return ListenStream(socket, last)
  }

  private func count(of socket: ConnectionID) -> Int { counts[socket] ?? 0 }

  private func count(of socket: ConnectionID, _ change: Int) {
    let count = count(of: socket) + change
    counts[socket] = count > 0 ? count : nil
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
    if context.isDraining { end(stream) }
  }

  /// What its server does not tell of is not honoured.
  private func leaveOutRefused(_ listen: Listen, _ stream: ListenStream) {
    let refused = context.sessions.interests.refused(among: listen.resources)
    guard !refused.isEmpty else { return }
    for uri in refused.keys { listen.resources[uri] = nil }
    listen.filter.resources.removeAll { refused[$0] != nil }
    for subscription in refused.values { audience.remove(stream, subscription.interest) }
    interests.end(refused.values.map(\.interest))
  }

  // MARK: Telling

  /// Who hears of a change of a resource.
  func audience(of update: ResourceUpdate) -> [Audience<ListenStream>.Group] {
    audience.groups(of: update.upstream, update.uri)
  }

  /// A listen is told of a change of what all see, once for each kind.
  func tell(_ change: ListChange, on stream: ListenStream) {
    guard let listen = listens[stream], listen.told < change.serial else { return }
    listen.told = change.serial
    let changed = change.forListens[listen.view]
    for kind in ListKind.allCases where kind.isTold(among: changed) && listen.filter.kinds.contains(ListKinds(kind)) {
      var message = ByteBuffer(capacity: 192)
      message.append(changed: kind, subscriptionID: listen.subscriptionID.bytes)
      write(message.bytes, on: stream)
    }
  }

  func write(_ notification: ListenNotification, on stream: ListenStream, _ listen: Listen) {
    guard listen.reply.isPost else {
      var message = ByteBuffer(capacity: 512)
      notification.append(listen.subscriptionID.bytes, to: &message)
      return write(message.bytes, on: stream)
    }
    let connection = stream.connection
    guard notification.write(listen.subscriptionID.bytes, to: connection, through: answers) == .full else { return }
    letGo(stream, connection)
  }

  private func write(_ message: RawSpan, on stream: ListenStream) {
    guard let listen = listens[stream] else { return }
    guard listen.reply.isPost else { return sockets.send(message, listen.reply.unasked) }
    var event = ByteBuffer(capacity: message.byteCount + 32)
    event.append(event: message)
    guard answers.write(event.bytes, to: stream.connection) == .full else { return }
    letGo(stream, stream.connection)
  }

  /// Nobody can be paused for a listen that is read too slowly: its stream is closed, and its client listens again and
  /// fetches anew.
  private func letGo(_ stream: ListenStream, _ connection: ConnectionID) {
    gone(stream)
    loop.setTag(connection, 0)
    loop.close(connection)
  }

  // MARK: The end

  /// A listen is over. True if there was one.
  @discardableResult
  func gone(_ stream: ListenStream) -> Bool {
    guard let listen = listens.removeValue(forKey: stream) else { return false }
    for subscription in listen.resources.values { audience.remove(stream, subscription.interest) }
    if let socket = listen.reply.socket { count(of: socket, -1) }
    context.worker.memory.giveBack(listen.bytes, of: listen.party, on: context.index)
    if !listen.resources.isEmpty { interests.end(listen.resources.values.map(\.interest)) }
    return true
  }

  /// A WebSocket is gone, and its listens with it.
  func socketGone(_ socket: ConnectionID) {
    guard counts[socket] != nil else { return }
    for stream in listens.keys where stream.connection == socket { gone(stream) }
  }

  /// The client of a WebSocket cancelled what it called that.
  public func cancel(on socket: ConnectionID, _ requestID: RawSpan) {
    guard counts[socket] != nil else { return }
    for (stream, listen) in listens where stream.connection == socket && listen.subscriptionID.equals(requestID) {
      gone(stream)
    }
  }

  /// Ends listens in order: the result, then the stream's end. On a WebSocket, as over standard streams, it is cancelled
  /// after its result (MCP 2026-07-28, Basic/Patterns, Subscriptions).
  func end(where ends: (Listen) -> Bool = { _ in true }) {
    for (stream, listen) in listens where ends(listen) { end(stream) }
  }

  private func end(_ stream: ListenStream) {
    acknowledge(stream)
    guard let listen = listens[stream] else { return }
    var message = ByteBuffer(capacity: 160)
    message.append(listenEnded: listen.subscriptionID.bytes)
    guard listen.reply.isPost else {
      sockets.send(message.bytes, listen.reply)
      var cancelled = ByteBuffer(capacity: 160)
      cancelled.append(listenCancelled: listen.subscriptionID.bytes)
      sockets.send(cancelled.bytes, listen.reply.unasked)
      gone(stream)
      return
    }
    write(message.bytes, on: stream)
    guard gone(stream) else { return }
    loop.setTag(stream.connection, 0)
    loop.endStream(stream.connection)
  }
}
