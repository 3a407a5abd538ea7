import Clusters
import Demonstration
import MCP
import Reactor
import Translation
import Upstream
import UpstreamRequests
import Wire
import Workers

/// What upstreams send for requests of one worker, message by message, over whatever carries it.
public final class UpstreamMessages {
  let context: WorkerContext
  private let scanner: EnvelopeScanner
  let requests: Requests
  private let memory: RequestMemory
  private let streams: EventStreams
  let conversations: Conversations

  init(_ requests: Requests, _ conversations: Conversations) {
    context = requests.context
    scanner = context.answerScanner
    self.requests = requests
    memory = requests.memory
    streams = conversations.streams
    self.conversations = conversations
  }

  /// The response to a request, or something that comes before it.
  func receive(_ request: UpstreamRequest, _ message: RawSpan) {
    if case .gateway(let call) = request.owner { return receive(request, for: call, message) }
    let envelopes = scanner
    let envelope = envelopes.scan(message, depth: context.limits.depth)
    switch envelope.kind {
    case .error where repeatsInNewSession(request, envelope):
      return
    case .result, .error:
      guard belongs(envelope, to: request) else { return }
      let outcome = outcome(of: envelope, request)
      Lent(requests.outcomes).with { $0.note(outcome, of: request) }
      requests.delegate.answered(request, envelope)
    case .notification, .request:
      requests.delegate.said(envelope, .request(request))
    case .batch:
      // Revision 2025-03-26 may batch what it sends (Basic, Messages).
      let id = request.id
      for element in JSON.elements(of: envelope.message) {
        guard let request = requests.find(id) else { return }
        receive(request, element.rawBytes)
      }
    case .invalid:
      guard let cluster = request.cluster else { return }
      requests.fail(request, .malformed(cluster, envelope.fault?.text ?? "no JSON-RPC message"))
    }
  }

  /// What a response says of the endpoint that gave it.
  func outcome(of response: Envelope, _ request: UpstreamRequest) -> CallOutcome {
    guard case .result = response.kind else {
      return CallOutcome(error: response.errorCode ?? 0, status: request.reader?.status ?? 200)
    }
    guard request.method == .toolsCall, request.hold?.with({ $0.cluster.countsToolErrors }) == true else {
      return .success
    }
    guard let flag = response.value(ResultKey.isError) else { return .success }
    return CallOutcome(resultIsError: JSON.boolean(flag) == true, counts: true)
  }

  /// On HTTP the exchange says whose the response is; an id of another request is a mistake of the upstream's.
  private func belongs(_ envelope: Envelope, to request: UpstreamRequest) -> Bool {
    guard let token = envelope.id, case .integer = envelope.idKind else {
      if case .error = envelope.kind { return true }
      return false
    }
    return RequestID(token: token) == request.id
  }

  private func receive(_ request: UpstreamRequest, for call: LocalCall, _ message: RawSpan) {
    let envelopes = scanner
    let envelope = envelopes.scan(message, depth: context.limits.depth)
    switch envelope.kind {
    case .error where repeatsInNewSession(request, envelope):
      return
    case .result, .error:
      let bytes = message.array
      let reader = request.reader
      let (status, httpSession) = (reader?.status ?? 0, reader?.httpSession ?? [])
      let hasSeveralSessions = reader?.hasSeveralSessions == true
      requests.end(request)
      guard !hasSeveralSessions else {
        return call.complete(.failed("it answered with two different Mcp-Session-Id fields"))
      }
      call.complete(.message(bytes, status: status, httpSession: httpSession))
    case .notification:
      call.onNotification?(message.array)
    case .request where envelope.method == .ping:
      answer(envelope, in: request, result: "{}")
    case .request:
      refuse(envelope, in: request, code: -32601, "the gateway itself has no \(envelope.methodName.text)")
    case .batch:
      let id = request.id
      for element in JSON.elements(of: envelope.message) {
        guard let request = requests.find(id) else { return }
        receive(request, element.rawBytes)
      }
    case .invalid where call.onNotification != nil && request.reader?.mode == .events:
      // A stream goes on without what is no message.
      context.logger.warning(
        "\(request.cluster?.alias ?? "") sent what is no message: \(envelope.fault?.text ?? "")")
    case .invalid:
      requests.end(request)
      call.complete(.failed(envelope.fault?.text ?? "no JSON-RPC message"))
    }
  }

  /// Some servers say with 200 that they do not know the session. True if the request goes out again in a new one.
  private func repeatsInNewSession(_ request: UpstreamRequest, _ error: Envelope) -> Bool {
    guard let reader = request.reader, reader.status == 200, reader.mode == .json, let session = request.session,
      let open = request.opened, open.http != nil, let message = reader.kept, let cluster = request.cluster,
      let speech = cluster.profile?.speech,
      LostSession.isTold(status: 200, code: error.errorCode, text: error.errorMessage ?? ""),
      request.state.again(after: GatewayError.sessionEnded(cluster).retry)
    else { return false }
    _ = session.lost(open)
    streams.close(streamOf: open)
    // The answer that has come is read to its end without this request.
    memory.uncover(reader)
    request.reader = nil
    conversations.send(request, message.rawBytes, cluster, speech)
    return true
  }

  // MARK: Our own answers

  /// The conversation that a request belongs to. While `initialize` is being answered it has no revision yet, but it may
  /// have its name, and the server may ask things.
  private func conversation(of request: UpstreamRequest) -> UpstreamSession.Open? {
    if let open = request.opened { return open }
    guard request.method == .initialize, let reader = request.reader else { return nil }
    return UpstreamSession.Open(
      revision: .r20250326, httpSession: reader.httpSession, link: nil, endpoint: request.endpoint?.index ?? 0)
  }

  /// A notification or a response of ours, of no request.
  public func tell(_ message: RawSpan, _ cluster: Cluster, _ open: UpstreamSession.Open) {
    if open.link == nil, cluster.isEmbedded { return answerEmbedded(message) }
    requests.postAside(message, cluster, open)
  }

  public func answer(_ question: Envelope, in request: UpstreamRequest, result: StaticString) {
    guard let open = conversation(of: request), let cluster = request.cluster else { return }
    answer(question, cluster, open, result: result)
  }

  public func answer(_ question: Envelope, _ cluster: Cluster, _ open: UpstreamSession.Open, result: StaticString) {
    guard let id = question.id else { return }
    var body = ByteBuffer(capacity: 96)
    body.append(result: result.bytes, responseTo: id)
    tell(body.bytes, cluster, open)
  }

  public func refuse(_ question: Envelope, in request: UpstreamRequest, code: Int, _ why: String) {
    guard let open = conversation(of: request), let cluster = request.cluster else { return }
    refuse(question, cluster, open, code: code, why)
  }

  public func refuse(_ question: Envelope, _ cluster: Cluster, _ open: UpstreamSession.Open, code: Int, _ why: String) {
    guard let id = question.id else { return }
    var body = ByteBuffer(capacity: 160)
    body.append(errorCode: code, why, responseTo: id)
    tell(body.bytes, cluster, open)
  }

  // MARK: The demonstration server

  /// A request to the demonstration server. What it says is received as an upstream's messages are, and the answer may be
  /// delivered before this returns.
  public func sendEmbedded(_ request: UpstreamRequest, _ message: RawSpan, abilities: ClientCapabilities) {
    let revision = request.revision
    let id = request.id
    request.carrier = .embedded
    request.state.sent()
    request.opened = UpstreamSession.Open(revision: revision, httpSession: [], link: nil)
    let client = DemonstrationServer.Client(revision: revision, abilities: abilities)
    let steps = requests.demonstration.receive(
      message, from: client, now: Timestamp(milliseconds: System.wallClock))
    // From here on `message` may be overwritten: it lies in scratch that the delivery of an answer uses too.
    perform(steps, of: id)
  }

  /// A client's answer to a question of its, or the gateway's refusal to ask.
  private func answerEmbedded(_ message: RawSpan) {
    guard let (call, steps) = requests.demonstration.answered(message) else { return }
    perform(steps, of: RequestID(rawValue: call))
  }

  /// The host keeps time for it.
  private func perform(_ steps: [DemonstrationServer.Step], of id: RequestID) {
    for step in steps {
      guard let request = requests.find(id) else { return }
      switch step {
      case .send(let message):
        receive(request, message.rawBytes)
      case .resume(let delay):
        // The call may be over by then, and the server knows nothing of it any more.
        context.timers.after(milliseconds: delay) { [unowned self] in
          perform(requests.demonstration.resumed(id.rawValue), of: id)
        }
      }
    }
  }
}
