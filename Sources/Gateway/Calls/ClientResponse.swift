import MCP
import Routing
import Wire

/// An upstream's response in the client's era: which edits, and what they come to.
extension Worker {
  /// An upstream's response goes to the client under the client's id.
  func deliver(_ call: Call, _ request: UpstreamRequest, _ envelope: Envelope) {
    let isResult = if case .result = envelope.kind { true } else { false }
    if isResult, !call.subscribing.isEmpty { call.subscribing = [] }
    if call.answer.isForNobody { return end(call, isResult ? .answered : .refused(code: envelope.errorCode ?? 0)) }
    guard let cluster = request.cluster else { return end(call, .abandoned) }
    if !isResult { noteRequiredElicitations(envelope, of: call, request) }
    if !call.lacking.isEmpty, Self.isFailure(envelope) { return fail(call, .lacking(call.lacking, of: cluster)) }
    let hop = call.hop
    context.splice.reset()
    if isResult, settings.hasSeveralServers { noteLinks(envelope, hop, cluster, call) }
    let uri = call.requestedURI
    let identity = gateway.identityObject
    let outcome = ResponseTranslation.response(
      envelope, hop, id: call.clientID.bytes(of: call), uri: uri.isEmpty ? nil : uri.rawBytes,
      serverInfo: identity.rawBytes, alias: cluster.alias, splice: &context.splice)
    switch outcome {
    case .forward(let status):
      bodyScratch.clear()
      guard context.splice.write(envelope.message, into: &bodyScratch.buffer) else {
        return fail(call, .malformed(cluster, "it could not be rewritten"))
      }
      answer(call, status: UInt16(status), bodyBytes, Self.ending(of: envelope))
    case .replace(let error):
      fail(call, error)
    case .toolError(let text):
      bodyScratch.clear()
      bodyScratch.buffer.append(toolError: text, id: call.clientID.bytes(of: call), for: hop.client)
      answer(call, status: 200, bodyBytes, .toolFailed)
    case .recover(let recovery, let error):
      recover(call, request, cluster, recovery, otherwise: error)
    }
  }

  private static func ending(of response: Envelope) -> CallOutcome.Ending {
    guard case .result = response.kind else { return .refused(code: response.errorCode ?? 0) }
    return isFailure(response) ? .toolFailed : .answered
  }

  /// Whether a response says that the call came to nothing, as an error or as a tool's result.
  private static func isFailure(_ envelope: Envelope) -> Bool {
    guard case .result = envelope.kind else { return true }
    guard let flag = envelope.value(ResultKey.isError) else { return false }
    return JSON.boolean(flag) == true
  }

  /// What was known of the upstream holds no more: once it has been looked at again the request goes out once more, as
  /// its client sent it.
  func recover(
    _ call: Call, _ request: UpstreamRequest, _ cluster: Cluster, _ recovery: Recovery,
    otherwise error: GatewayError
  ) {
    let message = call.isRerouted || request.state.isRepeated ? nil : request.reader?.kept
    guard let control, let message, call.clientRevision.era == .modern || call.session != nil else {
      control?.mend(cluster, recovery) {}
      return fail(call, error)
    }
    call.isRerouted = true
    // The answer that has come is read to its end without this call.
    call.request = nil
    requests.end(request)
    let (state, home, id) = (gateway, index, call.id)
    control.mend(cluster, recovery) {
      state.post(to: home) { $0.again(id, message) }
    }
  }

  /// A client's request is routed and sent once more.
  func again(_ id: CallID, _ message: [UInt8]) {
    guard let call = calls.find(id) else { return }
    let envelopes = requestScanner
    let envelope = envelopes.scan(message.rawBytes, depth: settings.depth)
    let view = call.looksAtAll ? CatalogueView.all : .only(upstream: call.server)
    clientParameters = call.mirrored
    defer { clientParameters = [] }
    if envelope.method == .other { pass(call, view, envelope) } else { self.call(call, view, envelope) }
  }

  /// Remembers for the caller whose results named the URIs of a result, and marks those that another server owns as they
  /// are.
  private func noteLinks(_ envelope: Envelope, _ hop: Hop, _ cluster: Cluster, _ call: Call) {
    ResultLinks.forEach(envelope, method: hop.method) { place in
      guard let contents = JSON.contents(of: envelope.message[place]) else { return }
      Self.withPlain(contents) { learnedLinks.learn($0, upstream: cluster.number, by: principal(of: call)) }
    }
    guard hop.marksResources else { return }
    let routes = gateway.catalogue(of: call.clientRevision.era).routes
    ResultLinks.mark(envelope, method: hop.method, alias: cluster.alias, splice: &context.splice) { contents in
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
}
