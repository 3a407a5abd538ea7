import Clusters
import OpenCalls
import Reactor
import Upstream
import UpstreamRequests
import Wire
import Workers

/// Reads that take unusually long go to a second endpoint too (`routing.retry.hedge_reads`): whoever answers first answers the
/// call, and the other is told that nobody waits. How long is unusual is learned from how long reads take at each endpoint.
///
/// Only where the server takes each request by itself, as those of 2026-07-28 do over HTTP: one that belongs to a conversation
/// can't be put to another endpoint. Tools are left out, whatever they say of themselves.
final class Hedging {
  private let worker: WorkerContext
  private let loop: EventLoop
  private let head: Scratch
  private let body: Scratch
  private let requests: Requests
  private let open: OpenCalls
  /// Of endpoints that are read from, by their keys.
  private var estimates: [PlainKey: LatencyEstimate] = [:]

  init(_ context: CallsContext, _ open: OpenCalls) {
    worker = context.worker
    loop = context.loop
    head = context.head
    body = context.body
    requests = context.requests
    self.open = open
  }

  private var bodyBytes: RawSpan {
    @_lifetime(borrow self)
    get { body.bytes(of: self) }
  }

  // MARK: Beginning

  /// A read is about to go out.
  func begins(_ call: Call, _ request: UpstreamRequest, lines: RawSpan, _ message: RawSpan) {
    guard let endpoint = request.endpoint else { return }
    let hedge = Hedge(lines: lines.array, message: message.array, now: loop.now)
    let delay = hedge.state.began(estimates[endpoint.key] ?? LatencyEstimate(), hedges: true)
    call.hedge = hedge
    request.isHedged = true
    guard let delay else { return }
    let id = call.id
    worker.timers.after(milliseconds: delay) { [unowned self, weak hedge] in
      if let hedge { takesLong(id, hedge) }
    }
  }

  private func takesLong(_ id: CallID, _ hedge: Hedge) {
    guard let call = open.find(id), call.hedge === hedge, let first = call.request, first.carrier != .none,
      first.state.isUnanswered, let cluster = first.cluster, let other = requests.second(for: first, &hedge.state)
    else { return }
    guard let second = requests.make(.client(id.rawValue), cluster, at: other, as: .call) else {
      _ = hedge.state.failed(.second)
      return
    }
    second.method = first.method
    second.revision = first.revision
    second.deadline = first.deadline
    second.logLevel = first.logLevel
    second.isHedged = true
    hedge.second = second
    hedge.secondBegan = loop.now
    send(second, hedge)
  }

  private func send(_ second: UpstreamRequest, _ hedge: Hedge) {
    let scanner = EnvelopeScanner()
    let message = hedge.message
    let envelope = scanner.scan(message.rawBytes)
    worker.splice.reset()
    if let id = envelope.idSlice { worker.splice.replace(id, withDecimal: second.id.rawValue) }
    if let token = envelope.member(.progressToken as MetaKey) {
      worker.splice.replace(token.value, withDecimal: second.id.rawValue)
    }
    body.clear()
    guard worker.splice.write(envelope.message, into: &body.buffer) else {
      _ = drops(second)
      return
    }
    requests.beginHead(of: second)
    head.buffer.append(hedge.lines)
    head.buffer.append(contentLength: body.count)
    head.buffer.appendHeadEnd()
    requests.post(second, bodyBytes)
  }

  // MARK: Ending

  /// The first of an answer has come to one of the attempts: that one carries the call from here on.
  func settle(on request: UpstreamRequest) {
    guard let call = open.find(request), let hedge = call.hedge else { return }
    let isSecond = request === hedge.second
    guard case .answer(let loser) = hedge.state.answered(isSecond ? .second : .first) else { return }
    learn(loop.now - (isSecond ? hedge.secondBegan : hedge.firstBegan), of: request)
    let other = isSecond ? call.request : hedge.second
    unite(call, on: request)
    guard loser != nil, let other else { return }
    requests.cancel(other, reason: "another endpoint has answered")
    requests.end(other)
  }

  /// An attempt has come to nothing. True, and it is over, where the other goes on.
  func drops(_ request: UpstreamRequest) -> Bool {
    guard let call = open.find(request), let hedge = call.hedge else { return false }
    let isSecond = request === hedge.second
    let action = hedge.state.failed(isSecond ? .second : .first)
    guard action == .wait, let other = isSecond ? call.request : hedge.second else {
      unite(call, on: request)
      return false
    }
    unite(call, on: other)
    requests.end(request)
    return true
  }

  /// One attempt is the call's only one.
  private func unite(_ call: Call, on request: UpstreamRequest) {
    request.isHedged = false
    if let second = call.hedge?.second, second === request { call.request = second }
    call.hedge = nil
  }

  private func learn(_ milliseconds: UInt64, of request: UpstreamRequest) {
    guard let endpoint = request.endpoint else { return }
    estimates[endpoint.key, default: LatencyEstimate()].add(milliseconds)
  }
}
