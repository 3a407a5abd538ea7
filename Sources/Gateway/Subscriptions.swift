import MCP
import Reactor
import Wire

/// What upstreams tell without being asked, and whom it concerns.
extension Worker {
  /// An upstream's list has changed. For a conversation that is one client's alone it concerns that client's view.
  func listChanged(_ cluster: Cluster, _ method: Method, _ session: Session?) {
    control?.listChanged(cluster, method)
  }

  /// A resource changed: who subscribed to it, or to what it lies below, hears of it. Without a conversation it was told
  /// on the gateway's own listen.
  func resourceUpdated(_ cluster: Cluster, _ envelope: Envelope, _ binding: UpstreamSession?) {
    guard let place = envelope.member(Param.uri)?.value, let uri = JSON.bytes(envelope.message[place]) else { return }
    if let owner = binding?.owner {
      guard let binding, let session = owner.value else { return }
      // Whatever it says there is for that client, subscribed or not.
      let isMarked = binding.subscribers(of: uri)[session.id] == true
      emit(marked(envelope, place, cluster, isMarked).rawBytes, to: session)
      return
    }
    if let binding {
      for (id, isMarked) in binding.subscribers(of: uri) {
        guard let session = gateway.sessions.find(id) else { continue }
        emit(marked(envelope, place, cluster, isMarked).rawBytes, to: session)
      }
    } else {
      let message = envelope.message.array
      for session in gateway.sessions.all where Self.concerns(uri, session.withState { $0.subscriptions }) {
        emit(message.rawBytes, to: session)
      }
    }
    var members = ByteBuffer()
    members.append("\"uri\":")
    members.append(envelope.message[place])
    let bytes = members.bytes.array
    for worker in 0..<gateway.workerCount {
      on(worker) { worker in
        worker.notifyListens("notifications/resources/updated", members: bytes.rawBytes) { listen in
          Self.concerns(uri, listen.resources)
        }
      }
    }
  }

  /// The message with the URI as the client knows it.
  private func marked(_ envelope: Envelope, _ place: Slice, _ cluster: Cluster, _ isMarked: Bool) -> [UInt8] {
    guard isMarked, let contents = JSON.contents(of: envelope.message[place]) else { return envelope.message.array }
    var token = ByteBuffer()
    token.append("\"")
    ResourceTag.append(contents, alias: cluster.alias, to: &token)
    token.append("\"")
    var message = ByteBuffer(capacity: envelope.message.byteCount + 64)
    splice.reset()
    splice.replace(place, with: token.bytes)
    return splice.write(envelope.message, into: &message) ? message.bytes.array : envelope.message.array
  }

  /// The URI is among those subscribed to, or lies below one of them [10].
  private static func concerns(_ uri: [UInt8], _ subscribed: Set<[UInt8]>) -> Bool {
    subscribed.contains { UpstreamSession.covers($0, uri) }
  }

  /// A message that carries no sign of whom it is for: everybody whose conversation it is.
  func broadcast(_ envelope: Envelope, _ binding: UpstreamSession) {
    if let owner = binding.owner {
      if let session = owner.value { emit(envelope.message, to: session) }
      return
    }
    let level = envelope.method == .notifyMessage ? LogLevel(token: envelope.value(Param.level)) : nil
    let cluster = binding.cluster
    for session in gateway.sessions.all where session.view == .all || session.view == .only(upstream: cluster.index) {
      guard gateway.isShared(binding, with: session) else { continue }
      // What all share speaks as low as the lowest level that somebody asked for.
      if let level, let least = session.withState({ $0.logLevel }), level < least { continue }
      emit(envelope.message, to: session)
    }
  }

  /// Modern listens named resources: the upstreams that own them are asked to tell.
  func interestChanged(_ uris: Set<[UInt8]>, _ view: CatalogueView) {
    gateway.addInterests(uris)
    let catalogue = gateway.catalogue
    for uri in uris {
      guard case .success(let route) = catalogue.routes.route(resource: uri.rawBytes, view: view, learned: nil) else {
        continue
      }
      control?.resourceInterestChanged(gateway.clusters[route.upstream])
    }
  }

  /// The catalogue changed: listens that look at what changed are told once for each kind.
  func announce(_ changes: ServedCatalogue.Changes) {
    for kind in ListKind.allCases {
      notifyListens(Self.changed(kind), members: RawSpan()) { listen in
        guard Self.concerns(kind, changes[listen.view]) else { return false }
        return switch kind {
        case .tools: listen.toolsListChanged
        case .prompts: listen.promptsListChanged
        case .resources, .templates: listen.resourcesListChanged
        }
      }
    }
  }

  /// The same for legacy sessions, from the control loop.
  func announceToSessions(_ changes: ServedCatalogue.Changes) {
    for session in gateway.sessions.all {
      for kind in ListKind.allCases where Self.concerns(kind, changes[session.view]) {
        var message = ByteBuffer(capacity: 96)
        message.append("{\"jsonrpc\":\"2.0\",\"method\":")
        message.append(quoted: Self.changed(kind).bytes)
        message.append("}")
        emit(message.bytes, to: session)
      }
    }
  }

  /// Whether a change of that kind is to be told. Templates have no notification of their own: that of the resources
  /// tells of both.
  private static func concerns(_ kind: ListKind, _ changed: ListKinds) -> Bool {
    guard changed.contains(ListKinds(kind)) else { return false }
    return kind != .templates || !changed.contains(.resources)
  }

  private static func changed(_ kind: ListKind) -> StaticString {
    switch kind {
    case .tools: "notifications/tools/list_changed"
    case .prompts: "notifications/prompts/list_changed"
    case .resources, .templates: "notifications/resources/list_changed"
    }
  }
}
