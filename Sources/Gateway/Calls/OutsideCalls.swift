import MCP
import Reactor
import Wire

/// Who gets a server's request that came on the stream of no call.
struct OutsideRequest {
  /// A client's call on its way in the same conversation.
  struct Call: Sendable, Equatable {
    var id: CallID
    /// nil for a modern client's, which can't be asked.
    var session: SessionID?
  }

  enum Addressee: Equatable {
    /// The client of that call, in its course.
    case call(CallID)
    /// The client session whose conversation it is, on a stream of its own.
    case owner
    /// Nobody can be asked.
    case nobody
    /// It could be any of several clients.
    case unclear
  }

  /// - Parameters:
  ///   - owner: the client session whose conversation it is; nil if others may share it.
  ///   - isHeard: the owner has a stream of its own.
  static func addressee(owner: SessionID?, isHeard: Bool, calls: [Call]) -> Addressee {
    guard let last = calls.last else { return owner != nil && isHeard ? .owner : .nobody }
    if calls.count > 1, owner != nil, isHeard { return .owner }
    guard last.session != nil else {
      if calls.contains(where: { $0.session != nil }) { return .unclear }
      // It can't be asked, but its call may fail for that.
      return calls.count == 1 ? .call(last.id) : .nobody
    }
    return calls.allSatisfy { $0.session == last.session } ? .call(last.id) : .unclear
  }
}

extension Worker {
  /// A server's request outside of calls: the client on whose behalf the server works is asked. Goes on elsewhere if need
  /// be: calls of one conversation may be on every worker.
  func askOutsideCalls(
    _ request: Envelope, _ binding: UpstreamSession, _ open: UpstreamSession.Open, attempts: Int = 3
  ) {
    guard request.id != nil else { return }
    if request.method == .ping { return upstream.messages.answer(request, binding.cluster, open, result: "{}") }
    let message = request.message.array
    let home = index
    on(0) { worker in
      let gateway = worker.gateway
      worker.gatherCalls(of: binding, open, []) { calls in
        gateway.post(to: home) { $0.ask(message, binding, open, calls, attempts: attempts) }
      }
    }
  }

  /// Calls of clients that are on their way in a conversation, on this worker and those after it. What waits to be sent
  /// is not: the server knows nothing of it.
  private func gatherCalls(
    of binding: UpstreamSession, _ open: UpstreamSession.Open, _ known: [OutsideRequest.Call],
    _ found: @escaping @Sendable ([OutsideRequest.Call]) -> Void
  ) {
    let mine = requests.ids {
      $0.session === binding && $0.isClients && $0.opened?.isSame(as: open) == true
    }
    let calls =
      known
      + mine.compactMap { id in
        guard let call = requests.find(id).flatMap(call), call.isAwaited else { return nil }
        return OutsideRequest.Call(id: call.id, session: call.session?.id)
      }
    guard index + 1 < gateway.workerCount else { return found(calls) }
    gateway.post(to: index + 1) { $0.gatherCalls(of: binding, open, calls, found) }
  }

  private func ask(
    _ message: [UInt8], _ binding: UpstreamSession, _ open: UpstreamSession.Open, _ calls: [OutsideRequest.Call],
    attempts: Int
  ) {
    let session = binding.owner.flatMap(gateway.sessions.find)
    let isHeard = session.map { $0.socket != nil || $0.withState { $0.log.standalone != nil } } ?? false
    switch OutsideRequest.addressee(owner: session?.id, isHeard: isHeard, calls: calls) {
    case .call(let call):
      for other in calls where other.id != call { on(other.id.worker) { $0.grantInteraction(other.id) } }
      let isGuess = calls.count > 1
      on(call.worker) { $0.ask(in: call, message, binding, open, isGuess: isGuess, attempts: attempts) }
    case .owner:
      guard let session else { return }
      // A human may be asked, and any of the calls may wait for that.
      for call in calls { on(call.id.worker) { $0.grantInteraction(call.id) } }
      ask(session, message, binding, open)
    case .nobody:
      refuse(message, binding, open, code: -32601) { "nobody here can answer \($0)" }
    case .unclear:
      refuse(message, binding, open, code: -32602) { _ in
        "it can't be told which client this request is for; configure `isolation: session` for \"\(binding.cluster.alias)\""
      }
    }
  }

  private func ask(
    in id: CallID, _ message: [UInt8], _ binding: UpstreamSession, _ open: UpstreamSession.Open, isGuess: Bool,
    attempts: Int
  ) {
    if let request = calls.find(id)?.request, request.session === binding, request.opened?.isSame(as: open) == true {
      return asked(message.rawBytes, in: request, isGuess: isGuess)
    }
    guard attempts > 1 else {
      return refuse(message, binding, open, code: -32601) { "nobody here waits for \($0) any more" }
    }
    // It has ended meanwhile, and so is not the one that the server works on.
    let envelopes = answerScanner
    let envelope = envelopes.scan(message.rawBytes, depth: settings.depth)
    askOutsideCalls(envelope, binding, open, attempts: attempts - 1)
  }

  private func grantInteraction(_ call: CallID) {
    calls.find(call)?.extend(to: now + settings.interactionTimeout)
  }

  /// On a stream of the client's own.
  private func ask(_ session: Session, _ message: [UInt8], _ binding: UpstreamSession, _ open: UpstreamSession.Open) {
    let envelopes = answerScanner
    let envelope = envelopes.scan(message.rawBytes, depth: settings.depth)
    guard let id = envelope.id, session.canBeAsked(envelope.method) else {
      return refuse(message, binding, open, code: -32601) { "nobody here can answer \($0)" }
    }
    guard !isAmongSeveral(envelope, session.view) else {
      return refuse(message, binding, open, code: -32601) {
        GatewayError.amongSeveral($0, "this server for clients that know it").phrase
      }
    }
    let entry = Reverse(
      session: session, upstreamID: Token(id), opened: open, cluster: binding.cluster, call: .none)
    guard let reverse = reverses.make(entry) else {
      return refuse(message, binding, open, code: -32603) { _ in "the client has too many open requests" }
    }
    splice.reset()
    if let place = envelope.idSlice { splice.replace(place, withDecimal: reverse.rawValue) }
    var asked = ByteBuffer(capacity: message.count + 32)
    if splice.write(envelope.message, into: &asked), emit(asked.bytes, to: session) { return }
    _ = reverses.take(reverse, from: session)
    refuse(message, binding, open, code: -32601) { _ in "the client does not listen" }
  }

  private func refuse(
    _ message: [UInt8], _ binding: UpstreamSession, _ open: UpstreamSession.Open, code: Int,
    _ why: (String) -> String
  ) {
    let envelopes = answerScanner
    let envelope = envelopes.scan(message.rawBytes, depth: settings.depth)
    upstream.messages.refuse(envelope, binding.cluster, open, code: code, why(envelope.methodName.text))
  }
}
