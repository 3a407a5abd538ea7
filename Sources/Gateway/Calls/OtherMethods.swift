import MCP
import Reactor
import Routing
import Wire

/// Methods that no revision has, on which a client and a server have agreed between themselves. They pass as they are where
/// a client looks at one server alone; among several nobody could tell which of them is meant.
extension Worker {
  /// Carries such a request to the server.
  func pass(_ call: Call, _ view: CatalogueView, _ envelope: Envelope) {
    call.looksAtAll = view == .all
    let catalogue = gateway.catalogue(for: call.session)
    guard let place = catalogue.onlyServer(in: view) else {
      return fail(call, .amongSeveral(envelope.methodName.text, "the server that has it"))
    }
    let cluster = catalogue.clusters[place]
    guard Self.canCarry(envelope.methodName, cluster.profile) else {
      return fail(call, GatewayError(.methodNotFound, message: "Method not found: its name can't stand in a header"))
    }
    forward(call, envelope, .none, cluster, .keep, plain: RawSpan(), catalogue.routes, place, .tools, nil)
  }

  /// Carries such a notification to the server that a client looks at. Nobody hears of it where there are several, or while
  /// the server is away.
  func passNotification(
    _ session: Session?, _ view: CatalogueView, _ envelope: Envelope, _ client: Revision, from party: Party
  ) {
    let catalogue = gateway.catalogue(for: session)
    guard let place = catalogue.onlyServer(in: view) else { return }
    let cluster = catalogue.clusters[place]
    guard case .ready(let profile) = cluster.health, !cluster.isEmbedded, Self.canCarry(envelope.methodName, profile),
      let request = requests.make(.nobody, cluster, as: .call)
    else { return }
    session?.noteUse()
    request.party = party
    request.revision = profile.revision
    request.deadline = now + settings.callTimeout
    splice.reset()
    RequestTranslation.request(
      envelope, Hop(envelope.method, client: client, upstream: profile.revision), id: request.id.rawValue,
      progressToken: nil, name: .keep, target: .none, meta: gateway.requestMeta, splice: &splice)
    bodyScratch.clear()
    guard splice.write(envelope.message, into: &bodyScratch.buffer, flatten: profile.transport == .stdio) else {
      return requests.end(request)
    }
    guard profile.revision.era == .modern, profile.transport == .streamableHTTP else {
      let conversation = conversation(with: cluster, for: session, party.principal)
      request.session = conversation
      return upstream.conversations.send(
        request, bodyBytes, cluster, profile.speech, of: conversation.owner == nil ? session?.id : nil)
    }
    headScratch.buffer.clear()
    cluster.appendRequestHead(to: &headScratch.buffer)
    headScratch.buffer.append(
      modernHeaders: envelope.method, methodName: envelope.methodName, name: nil, arguments: nil,
      parameters: [MirroredParameter]().span, client: clientParameters)
    headScratch.buffer.append(contentLength: bodyScratch.count)
    headScratch.buffer.appendHeadEnd()
    requests.post(request, bodyBytes, cluster)
  }

  /// Modern servers want the method in a header too, and only so much can stand there.
  private static func canCarry(_ name: RawSpan, _ profile: Cluster.Profile?) -> Bool {
    guard let profile, profile.revision.era == .modern, profile.transport == .streamableHTTP else { return true }
    var plain = ByteBuffer(capacity: name.byteCount)
    guard JSON.unescape(name, into: &plain), (1...1024).contains(plain.count) else { return false }
    let bytes = plain.bytes
    return (0..<bytes.byteCount).allSatisfy { (0x21...0x7E).contains(bytes[byte: $0]) }
  }

  /// Whether a server's request of such a method can't be put to a client that looks at several servers.
  func isAmongSeveral(_ envelope: Envelope, _ view: CatalogueView) -> Bool {
    envelope.method == .other && gateway.catalogue(of: .modern).onlyServer(in: view) == nil
  }
}

extension GatewayError {
  /// - Parameter whose: whose endpoint it is to be asked at.
  static func amongSeveral(_ method: String, _ whose: String) -> GatewayError {
    GatewayError(
      .methodNotFound,
      message: "Method not found: \(method); the gateway does not know it, and there are several servers behind this "
        + "endpoint: use /mcp/{alias} of \(whose)")
  }
}
