import Clusters
import Links
import MCP
import OpenCalls
import Routing
import Sessions
import Translation
import UpstreamRequests
import Wire
import Workers

/// An upstream's response in the client's era: which edits, and what they come to.
final class Responses {
  private let context: CallsContext
  private let worker: WorkerContext
  private let body: Scratch
  private let shared: CallsShared
  private let sessions: SessionsShared
  private let requests: Requests
  private let open: OpenCalls
  private let links: LearnedURIs

  init(_ context: CallsContext, _ open: OpenCalls, _ links: LearnedURIs) {
    self.context = context
    worker = context.worker
    body = context.body
    shared = context.shared
    sessions = context.sessions
    requests = context.requests
    self.open = open
    self.links = links
  }

  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  /// An upstream's response goes to the client under the client's id.
  func deliver(_ call: Call, _ request: UpstreamRequest, _ envelope: Envelope) {
    let isResult = if case .result = envelope.kind { true } else { false }
    if isResult, !call.subscribing.isEmpty { call.subscribing = [] }
    if call.answer.isForNobody { return open.end(call, isResult ? .answered : .refused(code: envelope.errorCode ?? 0)) }
    guard let hold = request.hold else { return open.end(call, .abandoned) }
    hold.with { deliver(call, request, envelope, from: $0.cluster, isResult: isResult) }
  }

  private func deliver(
    _ call: Call, _ request: UpstreamRequest, _ envelope: Envelope, from cluster: Cluster, isResult: Bool
  ) {
    if !isResult { Elicitations.noteRequired(envelope, of: call, request, now: context.now) }
    if !call.lacking.isEmpty, Self.isFailure(envelope) { return open.fail(call, .lacking(call.lacking, of: cluster)) }
    let hop = call.hop
    worker.splice.reset()
    if isResult, worker.limits.hasSeveralServers { links.note(envelope, hop, cluster, call) }
    switch translate(envelope, hop, call, cluster) {
    case .forward(let status):
      body.clear()
      guard worker.splice.write(envelope.message, into: &body.buffer) else {
        return open.fail(call, .malformed(cluster, "it could not be rewritten"))
      }
      open.answer(call, status: UInt16(status), bodyBytes, Self.ending(of: envelope))
    case .replace(let error):
      open.fail(call, error)
    case .toolError(let text):
      body.clear()
      body.buffer.append(toolError: text, id: call.clientID.bytes(of: call), for: hop.client)
      open.answer(call, status: 200, bodyBytes, .toolFailed)
    case .recover(let recovery, let error):
      recover(call, request, cluster, recovery, otherwise: error)
    }
  }

  /// Collects the edits of a response. Most calls need neither a URI nor who the gateway is: each would be counted.
  private func translate(_ envelope: Envelope, _ hop: Hop, _ call: Call, _ cluster: Cluster) -> ResponseOutcome {
    func translate(uri: RawSpan?, _ serverInfo: RawSpan) -> ResponseOutcome {
      ResponseTranslation.response(
        envelope, hop, id: call.clientID.bytes(of: call), uri: uri, serverInfo: serverInfo, alias: cluster.alias,
        splice: &worker.splice)
    }
    if case .legacy = hop.client.era, call.requestedURI.isEmpty { return translate(uri: nil, RawSpan()) }
    let uri = call.requestedURI
    let identity = sessions.upstream.identityObject
    return translate(uri: uri.isEmpty ? nil : uri.rawBytes, identity.rawBytes)
  }

  private static func ending(of response: Envelope) -> CallReport.Ending {
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
    let servers = shared.delegate
    guard let servers, let message, call.clientRevision.era == .modern || call.session != nil else {
      servers?.mend(cluster, recovery) {}
      return open.fail(call, error)
    }
    call.isRerouted = true
    // The answer that has come is read to its end without this call.
    call.request = nil
    requests.end(request)
    let (mail, home, id) = (shared.mail, context.index, call.id)
    servers.mend(cluster, recovery) { mail.send(.again(id, message), to: home) }
  }
}
