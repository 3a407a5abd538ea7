import MCP
import Reactor
import Wire

/// What upstreams tell without being asked, and whom it concerns.
extension Worker {
  /// An upstream's list has changed. For a conversation that is one client's alone it concerns that client's view.
  func listChanged(_ cluster: Cluster, _ method: Method, _ session: Session?) {
    control?.listChanged(cluster, method)
  }

  /// A resource changed: every session that subscribed to it or to its parent hears of it, and every listen.
  func resourceUpdated(_ cluster: Cluster, _ envelope: Envelope, _ owner: Session?) {
    guard let token = envelope.value(Param.uri), let uri = JSON.bytes(token) else { return }
    if let owner {
      emit(envelope.message, to: owner)
    } else {
      let message = envelope.message.array
      for session in gateway.sessions.all where Self.concerns(uri, session.withState { $0.subscriptions }) {
        emit(message.rawBytes, to: session)
      }
    }
    var members = ByteBuffer()
    members.append("\"uri\":")
    members.append(token)
    let bytes = members.bytes.array
    for worker in 0..<gateway.workerCount {
      on(worker) { worker in
        worker.notifyListens("notifications/resources/updated", members: bytes.rawBytes) { listen in
          Self.concerns(uri, listen.resources)
        }
      }
    }
  }

  /// The URI is among those subscribed to, or lies below one of them [10].
  private static func concerns(_ uri: [UInt8], _ subscribed: Set<[UInt8]>) -> Bool {
    if subscribed.contains(uri) { return true }
    return subscribed.contains { parent in
      guard uri.count > parent.count, uri.starts(with: parent) else { return false }
      return parent.last == UInt8(ascii: "/") || uri[parent.count] == UInt8(ascii: "/")
    }
  }

  /// A message of a shared upstream that carries no sign of whom it is for: all sessions that look at that server.
  func broadcast(_ message: RawSpan, _ cluster: Cluster, _ owner: Session?) {
    if let owner { return emit(message, to: owner) }
    for session in gateway.sessions.all where session.view == .all || session.view == .only(upstream: cluster.index) {
      emit(message, to: session)
    }
  }

  /// A client set its log level: the conversations that are its own are told.
  func spreadLogLevel(_ level: LogLevel, _ session: Session) {
    for (cluster, open) in session.openUpstreams { setLogLevel(level, cluster, open) }
    for upstream in gateway.sharedUpstreams {
      guard let open = upstream.current else { continue }
      setLogLevel(level, upstream.cluster, open)
    }
  }

  func setLogLevel(_ level: LogLevel, _ cluster: Cluster, _ open: UpstreamSession.Open) {
    guard open.revision.era == .legacy, cluster.profile?.offer.capabilities.contains(.logging) == true else { return }
    let call = LocalCall { _ in }
    guard let id = beginLocal(call, cluster, .loggingSetLevel) else { return }
    exchanges[id].opened = open
    var message = ByteBuffer(capacity: 128)
    message.append("{\"jsonrpc\":\"2.0\",\"id\":")
    message.append(decimal: id.rawValue)
    message.append(",\"method\":\"logging/setLevel\",\"params\":{\"level\":")
    message.append(quoted: level.label.bytes)
    message.append("}}")
    carry(id, message.bytes, open)
  }

  /// A session listens now: what its own upstream conversations say outside of calls has somewhere to go.
  func sessionListens(_ session: Session) {
    for (cluster, open) in session.openUpstreams where open.link == nil && open.revision.era == .legacy {
      openNotificationStream(cluster, open, owner: SessionReference(session))
    }
  }

  /// GET of a legacy upstream session.
  @discardableResult
  func openNotificationStream(
    _ cluster: Cluster, _ open: UpstreamSession.Open, owner: SessionReference?, ended: ((Int) -> Void)? = nil
  ) -> ConnectionID? {
    let stream = UpstreamStream(cluster, .notifications, owner: owner, open: open)
    stream.ended = ended
    headScratch.buffer.clear()
    headScratch.buffer.append(cluster.head("GET", accept: "text/event-stream"))
    appendSession(open)
    headScratch.buffer.appendHeadEnd()
    return openUpstreamStream(stream, head: headBytes)
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

  /// The catalogue changed: sessions and listens are told once for each kind.
  func announce(_ kinds: ListKinds) {
    for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
      let method: StaticString =
        switch kind {
        case .tools: "notifications/tools/list_changed"
        case .prompts: "notifications/prompts/list_changed"
        case .resources, .templates: "notifications/resources/list_changed"
        }
      if kind == .templates, kinds.contains(.resources) { continue }
      notifyListens(method, members: RawSpan()) { listen in
        switch kind {
        case .tools: listen.toolsListChanged
        case .prompts: listen.promptsListChanged
        case .resources, .templates: listen.resourcesListChanged
        }
      }
    }
  }

  /// The same for legacy sessions, from the control loop.
  func announceToSessions(_ kinds: ListKinds) {
    for session in gateway.sessions.all {
      for kind in ListKind.allCases where kinds.contains(ListKinds(kind)) {
        if kind == .templates, kinds.contains(.resources) { continue }
        let message: StaticString =
          switch kind {
          case .tools: "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}"
          case .prompts: "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}"
          case .resources, .templates: "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}"
          }
        emit(message.bytes, to: session)
      }
    }
  }
}
