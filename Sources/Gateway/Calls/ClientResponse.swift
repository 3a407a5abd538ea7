import MCP
import Routing
import Wire

/// An upstream's response in the client's era: which edits, and what they come to.
extension Worker {
  /// The hop that an exchange crosses.
  func hop(_ exchange: borrowing Exchange) -> Hop {
    Hop(
      exchange.method, client: exchange.clientRevision, upstream: exchange.serverRevision,
      hasNonObjectOutput: exchange.hasNonObjectOutput, marksResources: exchange.marksResources)
  }

  /// An upstream's response goes to the client under the client's id.
  func deliver(_ id: ExchangeID, _ envelope: Envelope) {
    let exchange = exchanges[id]
    if !exchange.subscribing.isEmpty, envelope.kind == .result { exchange.subscribing = [] }
    if case .nobody = exchange.origin, case .undecided = exchange.answer { return finish(id) }
    guard let cluster = exchange.cluster else { return finish(id) }
    if envelope.kind == .error { noteRequiredElicitations(envelope, of: exchange) }
    if !exchange.lacking.isEmpty, Self.isFailure(envelope) {
      return fail(id, .lacking(exchange.lacking, of: cluster))
    }
    let hop = hop(exchange)
    splice.reset()
    if envelope.kind == .result, settings.hasSeveralServers { noteLinks(envelope, hop, cluster, exchange) }
    let clientID = exchange.clientID
    let uri = exchange.requestedURI
    let identity = gateway.identityObject
    let outcome = ResponseTranslation.response(
      envelope, hop, id: clientID.bytes(of: self), uri: uri.isEmpty ? nil : uri.rawBytes,
      serverInfo: identity.rawBytes, alias: cluster.alias, splice: &splice)
    switch outcome {
    case .forward(let status):
      bodyScratch.clear()
      guard splice.write(envelope.message, into: &bodyScratch.buffer) else {
        return fail(id, .malformed(cluster, "it could not be rewritten"))
      }
      answer(id, status: UInt16(status), bodyBytes)
    case .replace(let error):
      fail(id, error)
    case .toolError(let text):
      bodyScratch.clear()
      bodyScratch.buffer.append(toolError: text, id: clientID.bytes(of: self), for: hop.client)
      answer(id, status: 200, bodyBytes)
    case .recover(let recovery, let error):
      recover(id, cluster, recovery, otherwise: error)
    }
  }

  /// Whether a response says that the call came to nothing, as an error or as a tool's result.
  private static func isFailure(_ envelope: Envelope) -> Bool {
    guard envelope.kind == .result else { return true }
    guard let flag = envelope.value(ResultKey.isError) else { return false }
    return JSON.boolean(flag) == true
  }

  /// What was known of the upstream holds no more: once it has been looked at again the request goes out once more, as
  /// its client sent it.
  func recover(_ id: ExchangeID, _ cluster: Cluster, _ recovery: Recovery, otherwise error: GatewayError) {
    let exchange = exchanges[id]
    let request = exchange.retried ? nil : exchange.reader?.kept
    guard let control, let request, exchange.clientRevision.era == .modern || exchange.session != nil else {
      control?.mend(cluster, recovery) {}
      return fail(id, error)
    }
    exchange.retried = true
    // The answer that has come is read to its end without this call.
    if let reader = exchange.reader { uncover(reader) }
    exchange.reader = nil
    if case .link = exchange.carrier { exchange.carrier = .none }
    uncount(id)
    let (state, home) = (gateway, index)
    control.mend(cluster, recovery) {
      state.post(to: home) { $0.again(id, request) }
    }
  }

  /// A client's request is routed and sent once more.
  func again(_ id: ExchangeID, _ request: [UInt8]) {
    guard let exchange = exchanges.find(id), let cluster = exchange.cluster else { return }
    let envelopes = requestScanner
    let envelope = envelopes.scan(request.rawBytes, depth: settings.depth)
    let view = exchange.looksAtAll ? CatalogueView.all : .only(upstream: cluster.number)
    clientParameters = exchange.mirrored
    defer { clientParameters = [] }
    if envelope.method == .other { pass(exchange, view, envelope) } else { call(exchange, view, envelope) }
  }

  /// Remembers for the caller whose results named the URIs of a result, and marks those that another server owns as they
  /// are.
  private func noteLinks(_ envelope: Envelope, _ hop: Hop, _ cluster: Cluster, _ exchange: Exchange) {
    ResultLinks.forEach(envelope, method: hop.method) { place in
      guard let contents = JSON.contents(of: envelope.message[place]) else { return }
      Self.withPlain(contents) { learnedLinks.learn($0, upstream: cluster.number, by: principal(of: exchange)) }
    }
    guard hop.marksResources else { return }
    let routes = gateway.catalogue(of: exchange.clientRevision.era).routes
    ResultLinks.mark(envelope, method: hop.method, alias: cluster.alias, splice: &splice) { contents in
      var isAnothers = false
      Self.withPlain(contents) { uri in
        guard case .success(let route) = routes.route(resource: uri, view: .all) else { return }
        isAnothers = routes.catalogue.upstreams[route.upstream].number != cluster.number
      }
      return isAnothers
    }
  }

  /// A string of a message as it is meant: some servers escape every slash.
  private static func withPlain(_ contents: RawSpan, _ body: (RawSpan) -> Void) {
    guard JSON.isEscaped(contents) else { return body(contents) }
    var plain = ByteBuffer(capacity: contents.byteCount)
    if JSON.unescape(contents, into: &plain) { body(plain.bytes) }
  }

  /// What changes in a result that streams through.
  func streamedEdits(_ id: ExchangeID) -> ResponseEdits {
    let exchange = exchanges[id]
    var edits = ResponseEdits()
    let clientID = exchange.clientID
    let identity = gateway.identityObject
    ResponseTranslation.streamed(
      hop(exchange), id: clientID.bytes(of: self), serverInfo: identity.rawBytes, edits: &edits)
    return edits
  }
}
